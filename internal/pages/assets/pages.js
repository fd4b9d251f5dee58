// What pages can do better with script: copy buttons, and answers without a reload. Without it every link and form works by itself.
'use strict';

const say = text => {
  const said = document.getElementById('said');
  said.textContent = '';
  requestAnimationFrame(() => { said.textContent = text; });
};

// Without HTTPS a browser has no clipboard for us, but copies what is marked.
const copy = async text => {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const box = document.createElement('textarea');
  box.value = text;
  document.body.append(box);
  box.select();
  const done = document.execCommand('copy');
  box.remove();
  if (!done) throw new Error('refused');
};

const copyFrom = async button => {
  const words = document.body.dataset;
  const before = button.dataset.before ||= button.textContent;
  try {
    await copy(button.dataset.copy);
    button.textContent = words.copied;
    button.dataset.done = '';
    say(words.copied);
    clearTimeout(button.timer);
    button.timer = setTimeout(() => { button.textContent = before; delete button.dataset.done; }, 2000);
  } catch {
    say(words.uncopied);
  }
  button.focus();
};

// An iPad says that it is a Mac; only a Mac has no touch screen.
const isPad = () => navigator.userAgent.includes('Macintosh') && navigator.maxTouchPoints > 1;

// watch follows what takes its time, and then shows what came of it.
let watched;
const watch = root => {
  watched?.close();
  const box = root.querySelector('[data-events]');
  if (!box) return;
  const source = watched = new EventSource(box.dataset.events);
  const show = after => {
    source.close();
    setTimeout(() => { if (source === watched) load(location.href, '#main'); }, after);
  };
  source.addEventListener('progress', e => {
    const now = JSON.parse(e.data);
    const bar = box.querySelector('progress');
    bar.max = now.known;
    bar.value = now.done;
    box.querySelector('label').textContent = now.said;
  });
  source.addEventListener('done', () => show(0));
  source.onerror = () => show(2000);
};

const enliven = root => {
  watch(root);
  root.querySelectorAll('[data-copy], [data-print]').forEach(button => { button.hidden = false; });
  const pad = root.querySelector('a[href*="client=apple-mobile"]');
  if (pad && isPad() && !new URLSearchParams(location.search).has('client')) {
    remember(pad.href, true);
    load(pad.href, '#main');
  }
};

// load puts another page of ours in this one's place. The newest wins.
let loading = 0;
const load = async (url, into, keep) => {
  const mine = ++loading;
  const answer = document.getElementById('answer');
  answer?.setAttribute('data-busy', '');
  let page;
  try {
    const response = await fetch(url, { headers: { Accept: 'text/html' } });
    page = new DOMParser().parseFromString(await response.text(), 'text/html');
  } catch {
    location.assign(url); // the browser says what is wrong
    return;
  }
  if (mine !== loading) return;
  const fresh = page.querySelector(into);
  const old = document.querySelector(into);
  if (!fresh || !old) { location.assign(url); return; }
  document.title = page.title;
  old.replaceWith(fresh);
  document.querySelector('.languages').replaceWith(page.querySelector('.languages'));
  if (into === '#main') {
    document.querySelectorAll('header nav a').forEach((a, i) => {
      const now = page.querySelectorAll('header nav a')[i]?.getAttribute('aria-current');
      now ? a.setAttribute('aria-current', now) : a.removeAttribute('aria-current');
    });
  }
  enliven(fresh);
  if (keep) {
    say(fresh.querySelector('[data-say]')?.textContent || '');
    return;
  }
  const target = fresh.querySelector('[aria-invalid]') || fresh.querySelector('#answer h1') || fresh;
  target.focus();
  target.scrollIntoView({ block: 'nearest' });
};

// remember puts a URL into the history, or into the place of the last one.
const path = () => location.pathname + location.search;
let here = path();
const remember = (url, instead) => {
  if (instead) history.replaceState(null, '', url);
  else history.pushState(null, '', url);
  here = path();
};

const formURL = form => {
  const values = new URLSearchParams(new FormData(form));
  return new URL(form.getAttribute('action') + '?' + values, location.href);
};

document.addEventListener('click', e => {
  const button = e.target.closest('[data-copy]');
  if (button) { copyFrom(button); return; }
  if (e.target.closest('[data-print]')) { window.print(); return; }
  const link = e.target.closest('a[data-answers]');
  if (!link || e.button || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
  e.preventDefault();
  remember(link.href);
  const again = link.closest('.clients') ? '.clients [aria-current]' : '.less a';
  load(link.href, '#main').then(() => document.querySelector(again)?.focus());
});

document.addEventListener('submit', e => {
  const form = e.target;
  if ('answers' in form.dataset) {
    e.preventDefault();
    const url = formURL(form);
    remember(url);
    load(url, '#main');
  } else if ('filters' in form.dataset) {
    e.preventDefault();
    filter(form);
  }
});

const filter = form => {
  const url = formURL(form);
  url.searchParams.set('q', url.searchParams.get('q').replace(/^.*@/, '')); // who it is, is nobody's business
  remember(url, true);
  load(url, '#answer', true);
};

let typing;
document.addEventListener('input', e => {
  const form = e.target.form;
  if (!form || !('filters' in form.dataset)) return;
  clearTimeout(typing);
  typing = setTimeout(filter, e.target.type === 'search' ? 250 : 0, form);
});

document.addEventListener('keydown', e => {
  const open = document.querySelector('.languages[open]');
  if (e.key !== 'Escape' || !open) return;
  open.open = false;
  open.querySelector('summary').focus();
});

window.addEventListener('popstate', () => {
  if (path() === here) return; // only the anchor changed
  here = path();
  load(location.href, '#main');
});

// What an anchor leads to is open.
const unfold = () => {
  const folded = location.hash && document.getElementById(location.hash.slice(1));
  if (folded instanceof HTMLDetailsElement) folded.open = true;
};
window.addEventListener('hashchange', unfold);
unfold();

enliven(document);
