// One time axis: exchanges with their wire events, spans by service, log lines on their spans.

const LEVELS = ['debug', 'info', 'warning', 'error', 'critical'];

function timelinePart(attempt, found) {
  const rows = [...wireRows(attempt), ...spanRows(attempt)];
  if (!rows.length) return h('p', { class: 'empty' }, 'No telemetry arrived for this attempt.');
  const holder = h('div', { class: 'timeline' });
  const details = h('div', { class: 'timeline-details', 'aria-live': 'polite' });
  const view = { holder, details, all: rows, rows, whole: null, window: null, chosen: null };
  holder.addEventListener('keydown', (event) => timelineKeys(view, event));
  const exchanges = attempt.exchanges || [];
  const broken = found.finding && found.finding.attempt === attempt.number ? found.finding.exchange : '';
  const first = exchanges.length > 1 && exchanges.some((one) => one.id === broken) ? broken : '';
  showExchange(view, attempt, first);
  return [h('div', { class: 'timeline-head' }, legend(rows), exchanges.length > 1 && exchangeChoice(view, attempt, first)), holder, details];
}

// A case of many requests opens on the one that broke; the whole is one choice away.
function exchangeChoice(view, attempt, first) {
  const options = attempt.exchanges.map((one) => h('option', { value: one.id, selected: one.id === first }, `${one.id} ${one.method} ${shortPath(pathOf(one.url))} ${one.status ?? one.error ?? ''}`));
  return h('select', { 'aria-label': 'Show the whole case or one exchange', id: 'timeline-exchange', onchange: (event) => showExchange(view, attempt, event.target.value) },
    h('option', { value: '' }, 'Whole case'), options);
}

function showExchange(view, attempt, id) {
  view.rows = id ? view.all.filter((one) => one.exchange === id) : view.all;
  view.whole = id ? widened(view.rows) : extent(attempt, view.rows);
  view.window = view.whole;
  replace(view.details);
  drawTimeline(view);
}

function widened(rows) {
  const marks = rows.flatMap((one) => one.marks.map((mark) => mark.at));
  const from = Math.min(...rows.map((one) => one.start), ...marks);
  const to = Math.max(...rows.map((one) => one.start + one.length), ...marks, from + 0.1);
  const margin = (to - from) * 0.02;
  return [from - margin, to + margin];
}

// The end of a path says more than its beginning.
const PATH_CHARS_MAX = 30;
const UUIDS = /([0-9a-f]{8})-[0-9a-f-]{27}/g;

function shortPath(path) {
  const plain = path.split('?')[0].replace(UUIDS, '$1…');
  if (plain.length <= PATH_CHARS_MAX) return plain;
  const parts = plain.split('/').filter(Boolean);
  let kept = parts.pop();
  while (parts.length && kept.length + parts[parts.length - 1].length < PATH_CHARS_MAX - 2) kept = `${parts.pop()}/${kept}`;
  return `…/${kept}`;
}

function extent(attempt, rows) {
  const ends = rows.map((one) => one.start + one.length);
  const marks = rows.flatMap((one) => one.marks.map((mark) => mark.at));
  const starts = rows.map((one) => one.start);
  const end = Math.max(attempt.duration_ms || 0, ...ends, ...marks, 1);
  return [Math.min(0, ...starts, ...marks), end];
}

function wireRows(attempt) {
  return (attempt.exchanges || []).map((found) => {
    const timings = found.timings || {};
    return {
      kind: 'wire', exchange: found.id, name: `${found.method} ${pathOf(found.url)}`, shown: `${found.method} ${shortPath(pathOf(found.url))}`, label: found.id, service: found.service, depth: 0,
      start: found.offset_ms || 0, length: timings.total_ms || 0, first: timings.first_byte_ms || 0,
      failed: Boolean(found.error),
      facts: { protocol: found.protocol, status: found.status ?? '–', 'first byte': ms(timings.first_byte_ms || 0), correlation: found.correlation_id || '–' },
      marks: (found.events || []).map((event) => ({
        kind: event.direction, at: event.offset_ms, text: `${event.direction} ${event.kind} ${event.name || ''}`.trim(), data: event.data || '',
      })),
    };
  });
}

function spanRows(attempt) {
  const spans = [...(attempt.spans || [])].sort((a, b) => a.offset_ms - b.offset_ms || b.duration_ms - a.duration_ms);
  const ids = new Set(spans.map((span) => span.span_id));
  const below = new Map();
  for (const span of spans) {
    const parent = ids.has(span.parent_span_id) ? span.parent_span_id : '';
    if (!below.has(parent)) below.set(parent, []);
    below.get(parent).push(span);
  }
  const logs = new Map();
  for (const record of attempt.logs || []) {
    const owner = ids.has(record.span_id) ? record.span_id : '';
    if (!logs.has(owner)) logs.set(owner, []);
    logs.get(owner).push(logMark(record));
  }
  const rows = [];
  const opened = new Map((attempt.exchanges || []).map((one) => [one.span_id, one.id]));
  const walk = (parent, depth, above) => {
    for (const span of below.get(parent) || []) {
      const exchange = opened.get(span.span_id) || above;
      rows.push({ ...spanRow(span, depth, logs.get(span.span_id) || []), exchange, peer: peerOf(span, below.get(span.span_id) || []) });
      walk(span.span_id, depth + 1, exchange);
    }
  };
  walk('', 0, '');
  if (logs.has('')) {
    const marks = logs.get('');
    rows.push({ kind: 'logs', name: 'log lines without a span', service: '', depth: 0, start: Math.min(...marks.map((mark) => mark.at)), length: 0, facts: {}, marks });
  }
  return rows;
}

// Whom a call went to: its server span says it, or else the port of the target.
function peerOf(span, children) {
  if (span.kind !== 'client' || span.service === undefined) return '';
  const served = children.find((child) => child.kind === 'server' && child.service !== span.service);
  if (served) return served.service;
  const port = (span.attributes || {})['server.port'];
  const urls = Object.entries((data.index.run.target || {}).urls || {});
  const known = port && urls.find(([, url]) => url.replace(/\/$/, '').endsWith(`:${port}`));
  return known ? known[0] : '';
}

function logMark(record) {
  return { kind: `log-${record.level}`, at: record.offset_ms, text: `${record.level} ${record.service}`, data: record.message };
}

function spanRow(span, depth, logs) {
  const events = (span.events || []).filter((event) => typeof event.offset_ms === 'number');
  const marks = [...logs, ...events.map((event) => ({
    kind: 'span-event', at: event.offset_ms, text: event.name || 'event', data: factsText(event.attributes),
  }))].sort((a, b) => a.at - b.at);
  const links = (span.links || []).length ? { 'linked to': span.links.join(', ') } : {};
  return {
    kind: 'span', name: span.name, label: '', service: span.service, depth, start: span.offset_ms, length: span.duration_ms,
    failed: span.status === 'error', marks,
    facts: { kind: span.kind, ...(span.status && span.status !== 'unset' ? { status: span.status } : {}), ...(span.attributes || {}), ...links, span: span.span_id },
  };
}

function factsText(attributes) {
  return Object.entries(attributes || {}).map(([name, value]) => `${name}=${value}`).join(' ');
}

function legend(rows) {
  const services = [...new Set(rows.map((one) => one.service).filter(Boolean))];
  const kinds = new Set(rows.flatMap((one) => one.marks.map((mark) => mark.kind)));
  const keys = [];
  if (kinds.has('sent') || kinds.has('received')) keys.push(h('span', { class: 'key' }, h('i', { class: 'mark sent' }), 'sent', h('i', { class: 'mark received' }), 'received'));
  if (kinds.has('span-event')) keys.push(h('span', { class: 'key' }, h('i', { class: 'mark span-event' }), 'span event'));
  for (const level of LEVELS) {
    if (kinds.has(`log-${level}`)) keys.push(h('span', { class: 'key' }, h('i', { class: `mark log-${level}` }), `${level} log`));
  }
  return h('div', { class: 'legend' }, services.map(serviceName), keys);
}

// A step of 1, 2 or 5 times a power of ten gives four to eight ticks.
function ticks([from, to]) {
  const rough = (to - from) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const unit = [1, 2, 5, 10].find((one) => one * power >= rough) * power;
  const found = [];
  for (let at = Math.ceil(from / unit) * unit; at <= to; at += unit) found.push(at);
  return found.map((at) => [at, tickText(at, unit)]);
}

function tickText(at, unit) {
  if (unit >= 1000) return `${at / 1000} s`;
  return `${unit >= 1 ? Math.round(at) : at.toFixed(unit >= 0.1 ? 1 : 2)} ms`;
}

function place(element, view, start, length) {
  const [from, to] = view.window;
  const scale = 100 / (to - from);
  const left = Math.max(0, (start - from) * scale);
  const right = Math.min(100, (start + length - from) * scale);
  element.style.left = `${left}%`;
  if (length !== undefined && !element.classList.contains('mark')) element.style.width = `max(3px, ${Math.max(0, right - left)}%)`;
  return start <= to && start + (length || 0) >= from;
}

const EDGE_SHARE = 3; // A label so near to an end of the axis stands inside of it.

function drawTimeline(view) {
  const axis = h('div', { class: 'axis', 'aria-hidden': 'true' }, h('div', { class: 'axis-label' }, zoomed(view) ? h('button', { type: 'button', class: 'plain', tabindex: '-1', onclick: () => zoom(view, null) }, 'Whole case') : 'Time'),
    h('div', { class: 'axis-track' }, ticks(view.window).map(([at, text]) => {
      const share = ((at - view.window[0]) / (view.window[1] - view.window[0])) * 100;
      const mark = h('span', { class: `tick ${share < EDGE_SHARE ? 'tick-first' : share > 100 - EDGE_SHARE ? 'tick-last' : ''}` }, text);
      mark.style.left = `${share}%`;
      return mark;
    })));
  replace(view.holder, axis, h('div', { class: 'waterfall', role: 'list', 'aria-label': 'Waterfall' }, view.rows.map((one, at) => timelineRow(view, one, at))));
}

function zoomed(view) {
  return view.window !== view.whole;
}

function zoom(view, one) {
  const margin = one ? Math.max(one.length * 0.06, 0.05) : 0;
  view.window = one ? [one.start - margin, one.start + Math.max(one.length, 0.1) + margin] : view.whole;
  drawTimeline(view);
  const at = one ? view.rows.indexOf(one) : 0;
  focusRow(view, at);
}

function timelineRow(view, one, at) {
  const track = h('div', { class: 'track' });
  for (const [tick] of ticks(view.window)) {
    const line = h('i', { class: 'grid' });
    line.style.left = `${((tick - view.window[0]) / (view.window[1] - view.window[0])) * 100}%`;
    track.append(line);
  }
  const bar = h('span', { class: `span-bar ${one.kind} ${serviceColour(one.service)} ${one.failed ? 'failed' : ''}` });
  if (place(bar, view, one.start, one.length)) track.append(bar);
  if (one.kind === 'wire' && one.first && one.length) {
    const waited = h('i', { class: 'waited' });
    waited.style.width = `${Math.min(100, (one.first / one.length) * 100)}%`;
    bar.append(waited);
  }
  const time = h('span', { class: 'bar-time' }, one.kind === 'logs' ? '' : ms(one.length));
  for (const mark of one.marks) {
    const dot = h('i', { class: `mark ${mark.kind}` });
    if (place(dot, view, mark.at, 0)) track.append(dot);
    dot.addEventListener('mouseenter', (event) => { event.stopPropagation(); tip(event, markTip(mark)); });
    dot.addEventListener('mouseleave', hideTip);
  }
  const label = h('div', { class: 'span-label' }, one.label && h('span', { class: 'exchange-id' }, one.label), h('span', { class: `dot ${serviceColour(one.service)}`, 'aria-hidden': 'true' }), h('span', { class: 'span-name' }, one.shown || one.name, one.peer && !one.name.includes(one.peer) && h('span', { class: 'peer' }, ` → ${one.peer}`)));
  label.style.setProperty('--depth', String(Math.min(one.depth, 10)));
  const spoken = `${one.name}${one.peer ? ` to ${one.peer}` : ''}, ${one.service}, from ${ms(one.start)} for ${ms(one.length)}${one.failed ? ', error' : ''}${one.marks.length ? `, ${plural(one.marks.length, 'mark')}` : ''}`;
  const made = h('div', {
    class: `span-row ${one.kind}-row ${one.failed ? 'failed' : ''}`, role: 'listitem', tabindex: at === 0 ? '0' : '-1', 'aria-label': spoken,
    onmouseenter: (event) => tip(event, rowTip(one)), onmousemove: moveTip, onmouseleave: hideTip, onclick: () => choose(view, one, made), onfocus: () => choose(view, one, made),
  }, label, track, time);
  return made;
}

function choose(view, one, made) {
  for (const other of view.holder.querySelectorAll('.span-row.chosen')) other.classList.remove('chosen');
  made.classList.add('chosen');
  view.chosen = one;
  const facts = Object.entries(one.facts);
  replace(view.details,
    h('div', { class: 'details-head' }, serviceName(one.service || 'no service'), h('b', {}, one.name), h('span', {}, `${ms(one.start)} + ${ms(one.length)}`),
      one.length > 0 && h('button', { type: 'button', class: 'plain', onclick: () => zoom(view, zoomed(view) ? null : one) }, zoomed(view) ? 'Whole case' : 'Zoom in')),
    facts.length > 0 && h('dl', {}, facts.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, typeof value === 'object' ? JSON.stringify(value) : String(value))))),
    one.marks.length > 0 && h('ol', { class: 'marks' }, one.marks.map((mark) => h('li', {}, h('span', { class: 'number' }, ms(mark.at)), h('i', { class: `mark ${mark.kind}` }), h('span', {}, mark.text), h('code', {}, mark.data)))));
}

function timelineKeys(view, event) {
  const rows = [...view.holder.querySelectorAll('.span-row')];
  const at = rows.indexOf(document.activeElement);
  if (at < 0) return;
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
  if (next !== undefined) focusRow(view, Math.max(0, Math.min(rows.length - 1, next)));
  else if (event.key === 'Enter') zoom(view, zoomed(view) ? null : view.rows[at]);
  else return;
  event.preventDefault();
}

function focusRow(view, at) {
  const rows = [...view.holder.querySelectorAll('.span-row')];
  rows.forEach((one, place_) => one.setAttribute('tabindex', place_ === at ? '0' : '-1'));
  if (rows[at]) rows[at].focus();
}

let floating = null;

function tip(event, content) {
  if (!floating) {
    floating = h('div', { class: 'tip', role: 'tooltip' });
    document.body.append(floating);
  }
  replace(floating, content);
  floating.hidden = false;
  moveTip(event);
}

function moveTip(event) {
  if (!floating || floating.hidden) return;
  const left = Math.min(event.clientX + 14, innerWidth - floating.offsetWidth - 8);
  const below = event.clientY + 18;
  const top = below + floating.offsetHeight > innerHeight ? event.clientY - floating.offsetHeight - 10 : below;
  floating.style.left = `${Math.max(4, left)}px`;
  floating.style.top = `${Math.max(4, top)}px`;
}

function hideTip() {
  if (floating) floating.hidden = true;
}

function rowTip(one) {
  return [h('b', {}, one.name), h('span', {}, `${one.service || ''} · ${ms(one.start)} + ${ms(one.length)}`), one.failed && h('span', { class: 'verdict-failed' }, 'error')];
}

function markTip(mark) {
  return [h('b', {}, mark.text), h('span', {}, ms(mark.at)), mark.data && h('code', {}, mark.data.slice(0, 200))];
}
