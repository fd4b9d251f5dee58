// What Thunderbird's account hub does with an address and a password: look settings up, guess
// if there are none, set an account up; then log in at both servers. Runs within Thunderbird.
const [address, password, resolve] = arguments;
const load = name => ChromeUtils.importESModule(`resource:///modules/accountcreation/${name}.sys.mjs`)[name];
const domain = address.split("@")[1];
const socketTypes = { 0: "plain", 2: "STARTTLS", 3: "SSL" };
const said = [];

async function look() {
  const signal = new AbortController().signal;
  try {
    const steps = load("FindConfig").parallelAutoDiscovery(domain, address, signal, password);
    let step = await steps.next();
    while (!step.done) { // it asks whether to go on to another host
      step = await steps.next({ acceptRedirect: true });
    }
    if (step.value) {
      return step.value;
    }
  } catch (e) {
    said.push(String(e), ...(e.errors ?? []).map(String));
    if (e.cause?.fluentTitleId == "account-hub-credentials-wrong") {
      return null; // it asks for another password
    }
  }
  try {
    const begun = new (load("AccountConfig"))();
    begun.incoming.username = begun.outgoing.username = address.split("@")[0];
    return await load("GuessConfig").guessConfig(domain, () => {}, begun, "both", signal);
  } catch (e) {
    said.push(String(e));
    return null;
  }
}

function logIn(server) {
  return new Promise(done => {
    server.verifyLogon({
      QueryInterface: ChromeUtils.generateQI(["nsIUrlListener"]),
      OnStartRunningUrl() {},
      OnStopRunningUrl(url, status) {
        said.push(`${url?.spec}: ${status.toString(16)}`);
        done(Components.isSuccessCode(status));
      },
    }, null);
  });
}

// Its own verifyLogon for SMTP does not end where all goes well.
function logInToSend(server) {
  const { SmtpClient } = ChromeUtils.importESModule("resource:///modules/SmtpClient.sys.mjs");
  return new Promise(done => {
    const client = new SmtpClient(server);
    client.onidle = () => {
      client.quit();
      done(true);
    };
    client.onerror = (status, message) => {
      said.push(`${server.serverURI.spec}: ${status.toString(16)} ${message}`);
      done(false);
    };
    client.connect();
  });
}

async function tryAll() {
  let config = await look();
  if (!config?.isComplete()) {
    said.push(String(config));
    return { found: [], works: false };
  }
  said.push("settings are found");
  config = config.copy();
  load("AccountConfig").replaceVariables(config, "Fred", address, password);
  const found = [config.incoming, config.outgoing].map(s => `${s.type} ${s.hostname}:${s.port} ${socketTypes[s.socketType]} ${s.username}`);
  const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
  const account = await load("CreateInBackend").createAccountInBackend(config);
  said.push("an account is set up");
  const outgoing = MailServices.outgoingServer.servers.at(-1).wrappedJSObject;
  outgoing.password = password;
  const works = [await logIn(account.incomingServer), await logInToSend(outgoing)];
  return { found, works: works.every(Boolean) };
}

// A question that nobody answers must not hold the test.
const { setTimeout } = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");
const late = new Promise((_, reject) => setTimeout(() => reject(new Error("it takes too long")), 40_000));

Promise.race([tryAll(), late]).then(r => resolve({ ...r, said: said.join("\n") }), e => resolve({ found: [], works: false, said: `${e}\n${e.stack}\n${said.join("\n")}` }));
