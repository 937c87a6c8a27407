// Keyboard, theme and help.

const KEYS = [
  ['/', 'search'], ['j  k', 'next, previous case'], ['n  p', 'next, previous that needs attention'],
  ['↑  ↓', 'along the waterfall'], ['Enter', 'zoom the waterfall in and out'], ['o', 'overview'],
  ['t', 'light or dark'], ['?', 'these keys'], ['Esc', 'leave, close, back'],
];

function buildHelp() {
  const dialog = h('dialog', { class: 'help', 'aria-labelledby': 'help-title' },
    h('h2', { id: 'help-title' }, 'Keyboard'),
    h('dl', {}, KEYS.map(([key, meaning]) => h('div', {}, h('dt', {}, key.split('  ').map((one) => h('kbd', {}, one))), h('dd', {}, meaning)))),
    h('form', { method: 'dialog' }, h('button', {}, 'Close')));
  document.body.append(dialog);
  return dialog;
}

function buildTools(tools, dialog) {
  replace(tools,
    h('button', { type: 'button', class: 'tool', id: 'theme', 'aria-label': 'Light or dark', onclick: switchTheme },
      svg('svg', { viewBox: '0 0 16 16', 'aria-hidden': 'true' }, svg('path', { d: 'M8 2a6 6 0 1 0 0 12z', fill: 'currentColor' }), svg('circle', { cx: 8, cy: 8, r: 6, fill: 'none', stroke: 'currentColor', 'stroke-width': 1.5 }))),
    h('button', { type: 'button', class: 'tool', id: 'help', 'aria-label': 'Keyboard', onclick: () => dialog.showModal() }, '?'));
}

// A page opened from a file may be refused storage: the choice then lasts as long as the page.
function remembered() {
  try {
    return localStorage.getItem('caas-report-theme');
  } catch {
    return null;
  }
}

function switchTheme() {
  const dark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  const theme = dark ? 'light' : 'dark';
  document.documentElement.dataset.theme = theme;
  announce(`${theme} colours`);
  try {
    localStorage.setItem('caas-report-theme', theme);
  } catch {
    // It holds for this page.
  }
}

function escape(search) {
  if (document.activeElement === search) {
    if (search.value) setFilter('q', '');
    search.blur();
  } else if (route.page) go(address(''));
}

function listen(dialog) {
  const search = document.getElementById('search');
  const needs = (found) => ATTENTION.has(found.verdict) || found.flaky;
  const actions = {
    '/': () => { search.focus(); search.select(); },
    j: () => step(1), k: () => step(-1), n: () => step(1, needs), p: () => step(-1, needs),
    o: () => go(address('')), t: switchTheme, '?': () => dialog.showModal(),
  };
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
    // There Escape closes the choices.
    if (event.key === 'Escape' && event.target.tagName === 'SELECT') return;
    if (event.key === 'Escape') {
      hideTip();
      escape(search);
      return;
    }
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || !actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  });
}
