// What pages can do better with script: copy buttons, tabs, and answers without
// a reload. Without it every link and form works by itself.
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
    say(words.copied);
    clearTimeout(button.timer);
    button.timer = setTimeout(() => { button.textContent = before; }, 2000);
  } catch {
    say(words.uncopied);
  }
  button.focus();
};

// The program that this device most likely has.
const likely = () => {
  const agent = navigator.userAgent;
  if (/iPhone|iPad|Macintosh/.test(agent)) return 'apple';
  if (/Android/.test(agent)) return 'android';
  return 'thunderbird';
};

// Sections become tabs (WAI-ARIA's tabs pattern); their headings name them.
let chosen = '';
const makeTabs = box => {
  const list = document.createElement('div');
  list.setAttribute('role', 'tablist');
  list.setAttribute('aria-labelledby', box.parentElement.getAttribute('aria-labelledby'));
  const panels = [...box.children];
  const tabs = panels.map(panel => {
    const heading = panel.querySelector('h3');
    const tab = document.createElement('button');
    tab.type = 'button';
    tab.id = panel.id + '-tab';
    tab.textContent = heading.textContent;
    tab.setAttribute('role', 'tab');
    tab.setAttribute('aria-controls', panel.id);
    panel.setAttribute('role', 'tabpanel');
    panel.setAttribute('aria-labelledby', tab.id);
    panel.tabIndex = 0;
    heading.classList.add('unseen'); // the tab shows it
    list.append(tab);
    return tab;
  });
  const show = id => {
    chosen = id;
    panels.forEach((panel, i) => {
      const on = panel.id === id;
      panel.hidden = !on;
      tabs[i].setAttribute('aria-selected', on);
      tabs[i].tabIndex = on ? 0 : -1;
    });
  };
  list.addEventListener('click', e => {
    const i = tabs.indexOf(e.target);
    if (i >= 0) show(panels[i].id);
  });
  list.addEventListener('keydown', e => {
    const back = getComputedStyle(list).direction === 'rtl' ? 1 : -1;
    const step = { ArrowLeft: back, ArrowRight: -back, ArrowUp: -1, ArrowDown: 1 }[e.key];
    let i = tabs.indexOf(document.activeElement);
    if (step) i = (i + step + tabs.length) % tabs.length;
    else if (e.key === 'Home') i = 0;
    else if (e.key === 'End') i = tabs.length - 1;
    else return;
    e.preventDefault();
    show(panels[i].id);
    tabs[i].focus();
  });
  box.prepend(list);
  const wanted = location.hash.slice(1);
  const ids = panels.map(panel => panel.id);
  show([wanted, chosen, likely()].find(id => ids.includes(id)));
};

const enliven = root => {
  root.querySelectorAll('[data-copy], [data-print]').forEach(button => { button.hidden = false; });
  root.querySelectorAll('[data-tabs]').forEach(makeTabs);
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
  load(link.href, '#main').then(() => document.querySelector('.choice [aria-current]')?.focus());
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

enliven(document);
