// Elements, icons and numbers. Values of the run only ever become text nodes and attributes.

const SVG = 'http://www.w3.org/2000/svg';

function put(parent, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === '') continue;
    parent.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return parent;
}

// h('a', {class: 'x', href: '#/', onclick: f}, 'text', child)
function h(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? '' : String(value));
  }
  return put(made, children);
}

function svg(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, String(value));
  return put(made, children);
}

function replace(parent, ...children) {
  parent.replaceChildren();
  return put(parent, children);
}

// Each verdict has its own shape, so that colour is never the only sign.
const SHAPES = {
  passed: 'M3.5 8.5l3 3 6-7',
  failed: 'M4 4l8 8M12 4l-8 8',
  warning: 'M8 2.5v7M8 12.6v.4',
  error: 'M9.2 1.8L4.5 9h3.2l-1 5.2L11.5 7H8.3z',
  skipped: 'M3.5 8h9',
  not_run: 'M8 3a5 5 0 1 0 .01 0z',
};

const VERDICT_WORDS = {
  passed: 'passed', failed: 'failed', warning: 'warning', error: 'error',
  skipped: 'skipped', not_run: 'not run',
};

const VERDICTS = ['failed', 'error', 'not_run', 'warning', 'skipped', 'passed'];

function icon(verdict, extra) {
  const hollow = verdict === 'not_run';
  const shape = svg('path', {
    d: SHAPES[verdict] || SHAPES.skipped, fill: verdict === 'error' ? 'currentColor' : 'none',
    stroke: 'currentColor', 'stroke-width': verdict === 'error' ? 0.6 : 2,
    'stroke-linecap': 'round', 'stroke-linejoin': 'round',
    ...(hollow ? { 'stroke-dasharray': '2.4 2.6', 'stroke-width': 1.6 } : {}),
  });
  const drawing = svg('svg', { viewBox: '0 0 16 16', 'aria-hidden': 'true' }, shape);
  return h('span', { class: `icon verdict-${verdict} ${extra || ''}` }, drawing,
    h('span', { class: 'sr-only' }, VERDICT_WORDS[verdict] || verdict));
}

function badge(verdict) {
  const word = h('span', { 'aria-hidden': 'true' }, VERDICT_WORDS[verdict] || verdict);
  return h('span', { class: `badge verdict-${verdict}` }, icon(verdict), word);
}

function ms(value) {
  if (value >= 60000) return `${Math.floor(value / 60000)} min ${Math.round((value % 60000) / 1000)} s`;
  if (value >= 1000) return `${(value / 1000).toFixed(value >= 10000 ? 1 : 2)} s`;
  if (value >= 100) return `${value.toFixed(0)} ms`;
  if (value >= 10) return `${value.toFixed(1)} ms`;
  return `${value.toFixed(2)} ms`;
}

function size(bytes) {
  return bytes >= 10240 ? `${(bytes / 1024).toFixed(0)} kB` : `${bytes} B`;
}

// 100 % only when nothing is missing.
function share(part, whole) {
  if (!whole) return '–';
  const tenths = Math.floor((part * 1000) / whole);
  return tenths % 10 ? `${(tenths / 10).toFixed(1)} %` : `${tenths / 10} %`;
}

function moment(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return text;
  const format = { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' };
  return `${at.toLocaleString('en-GB', format)} UTC`;
}

function count(value) {
  return (value || 0).toLocaleString('en-GB');
}

function plural(count, one, many) {
  return `${count} ${count === 1 ? one : many || `${one}s`}`;
}

function announce(text) {
  document.getElementById('announcer').textContent = text;
}

function copyButton(text, label, word = 'Copy') {
  const button = h('button', { class: 'copy', type: 'button', 'aria-label': label }, word);
  button.addEventListener('click', async () => {
    const done = await copy(text);
    button.textContent = done ? 'Copied' : 'Select it';
    announce(done ? 'Copied' : 'Copying is not allowed here');
    setTimeout(() => { button.textContent = word; }, 1600);
  });
  return button;
}

// A page opened from a file may not use the clipboard interface: a selection always works.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = h('textarea', { class: 'sr-only', readonly: true }, text);
    document.body.append(field);
    field.select();
    const done = document.execCommand('copy');
    field.remove();
    return done;
  }
}
