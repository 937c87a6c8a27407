// The first page: the verdict, what broke and why, the gates, the phases.

function overview() {
  const { run } = data.index;
  return [
    hero(run),
    alarms(run),
    causesPart(),
    gates(run.gates || []),
    figures(run),
    phaseTable(),
    slowestOperations(),
  ];
}

function hero(run) {
  const target = run.target || {};
  const versions = Object.entries(target.versions || {}).sort();
  return h('section', { class: `hero verdict-${run.verdict}`, 'aria-label': 'Verdict' },
    h('div', { class: 'hero-line' }, icon(run.verdict, 'hero-icon'),
      h('div', {}, h('h1', { tabindex: '-1' }, data.index.headline),
        h('p', { class: 'hero-sub' }, `${moment(run.started_at)} · ${ms(run.duration_ms)}`,
          target.description ? ` · ${target.description}` : ''))),
    proportion(versions.length > 0 && h('dl', { class: 'versions' }, versions.map(([name, version]) => h('div', {},
      h('dt', {}, serviceName(name)), h('dd', {}, version))))),
    h('button', { type: 'button', class: 'plain to-cases', onclick: showCases }, `Find one of ${plural(data.index.cases.length, 'case')}`));
}

function proportion(beside) {
  const counts = data.index.run.counts || {};
  const kinds = [...VERDICTS].reverse().filter((kind) => counts[kind]);
  const bars = kinds.map((kind) => {
    const bar = h('span', { class: `part verdict-${kind}` });
    bar.style.flexGrow = counts[kind];
    return bar;
  });
  const keys = kinds.map((kind) => h('a', { href: address('', { verdict: kind }), class: 'key' },
    icon(kind), h('b', {}, counts[kind]), ` ${VERDICT_WORDS[kind]}`));
  if (counts.flaky) {
    keys.push(h('a', { href: address('', { verdict: 'flaky' }), class: 'key' }, h('b', {}, counts.flaky), ' flaky'));
  }
  keys.push(h('span', { class: counts.vacuous ? 'key key-bad' : 'key' }, h('b', {}, counts.vacuous || 0), ' vacuous'));
  return [h('div', { class: 'proportion', 'aria-hidden': 'true' }, bars), h('div', { class: 'keys' }, keys, beside)];
}

// What no case says: gates that did not hold, and log lines that can't be joined to any.
function alarms(run) {
  const broken = (run.gates || []).filter((gate) => BROKEN.has(gate.verdict)).map((gate) => [gate.verdict, gate.name, gate.actual, `wanted ${gate.expected}`, gate.detail]);
  const untraced = Object.entries((run.correlation || {}).uncorrelated_logs || {}).sort();
  const lines = untraced.reduce((sum, [, one]) => sum + one, 0);
  if (lines) broken.push(['warning', 'log lines without a trace id', count(lines), '', `${untraced.map(([name, one]) => `${name} ${count(one)}`).join(', ')}: no case can show them`]);
  if (!broken.length) return null;
  return h('section', { class: 'alarms', 'aria-label': 'Alarms' }, broken.map(([verdict, name, actual, wanted, detail]) => h('div', { class: `alarm verdict-${verdict}` },
    icon(verdict), h('div', {}, h('span', { class: 'gate-name' }, name), ' ', h('b', {}, actual), ' ', wanted && h('small', {}, wanted),
      detail && h('span', { class: 'gate-detail' }, detail)))));
}

function gates(found) {
  if (!found.length) return null;
  const held = found.filter((gate) => gate.verdict === 'passed').length;
  return h('section', {}, h('h2', {}, 'Gates', h('small', {}, `${held} of ${found.length} held`)),
    h('ul', { class: 'gates' }, found.map((gate) => h('li', { class: `gate verdict-${gate.verdict}` }, icon(gate.verdict),
      h('span', { class: 'gate-name' }, gate.name), h('b', {}, gate.actual),
      h('small', { class: 'gate-detail' }, `wanted ${gate.expected}`, gate.detail && ` · ${gate.detail}`)))));
}

function figures(run) {
  const found = run.correlation || {};
  const cost = run.overhead || {};
  const untraced = Object.values(found.uncorrelated_logs || {}).reduce((sum, one) => sum + one, 0);
  const tile = (value, label, note) => h('div', { class: 'figure' }, h('b', {}, value), h('span', {}, label),
    note && h('small', {}, note));
  return h('section', { class: 'figures', 'aria-label': 'Figures' },
    tile(share(found.attempts_with_trace || 0, found.attempts || 0), 'attempts with a trace', `${found.attempts || 0} attempts`),
    tile(count(found.owned_spans), 'spans owned by their case', `${found.orphan_spans || 0} orphans, ${found.foreign_spans || 0} foreign`),
    tile(count(found.owned_logs), 'log lines owned', `${found.foreign_logs || 0} foreign, ${untraced} without a trace`),
    tile(ms(cost.median_ms || 0), 'harness per case', `p95 ${ms(cost.p95_ms || 0)}`),
    trend());
}

function trend() {
  const { run, history: past } = data.index;
  const runs = [...(past || []), run].slice(-30);
  if (runs.length < 2) return null;
  const most = Math.max(...runs.map((one) => (one.counts || {}).planned || 0), 1);
  const width = 6;
  const bars = runs.map((one, at) => {
    const counts = one.counts || {};
    const good = ((counts.passed || 0) / most) * 30;
    const whole = ((counts.planned || 0) / most) * 30;
    return [
      svg('rect', { x: at * width, y: 32 - whole, width: width - 1.5, height: Math.max(whole, 1), class: 'trend-bad' }),
      svg('rect', { x: at * width, y: 32 - good, width: width - 1.5, height: good, class: 'trend-good' })];
  });
  const previous = runs[runs.length - 2].counts || {};
  const change = ((run.counts || {}).passed || 0) - (previous.passed || 0);
  const words = change === 0 ? 'as many passed as before' : `${Math.abs(change)} ${change > 0 ? 'more' : 'fewer'} passed`;
  return h('div', { class: 'figure trend' },
    svg('svg', { viewBox: `0 0 ${runs.length * width} 32`, preserveAspectRatio: 'xMinYMid', role: 'img', 'aria-label': `The last ${runs.length} runs: ${words} than before` }, bars),
    h('span', {}, `last ${runs.length} runs`), h('small', {}, words));
}

function phaseTable() {
  return h('section', {}, h('h2', {}, 'Phases'),
    h('div', { class: 'scroller' }, h('table', { class: 'phases' },
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Phase'), h('th', { scope: 'col' }, 'Cases'),
        h('th', { scope: 'col', class: 'wide' }, h('span', { class: 'sr-only' }, 'Share')), h('th', { scope: 'col', class: 'number' }, 'Time'))),
      h('tbody', {}, phasesInOrder().map(phaseRow)))));
}

function phaseRow(id) {
  const cases = data.index.cases.filter((found) => found.phase === id);
  const counts = new Map();
  for (const found of cases) counts.set(found.verdict, (counts.get(found.verdict) || 0) + 1);
  const kinds = [...VERDICTS].reverse().filter((kind) => counts.get(kind));
  const bars = kinds.map((kind) => {
    const bar = h('span', { class: `part verdict-${kind}` });
    bar.style.flexGrow = counts.get(kind);
    return bar;
  });
  const told = kinds.map((kind) => `${counts.get(kind)} ${VERDICT_WORDS[kind]}`).join(', ');
  const phase = (data.index.run.phases || []).find((known) => known.id === id) || {};
  return h('tr', {},
    h('th', { scope: 'row' }, h('a', { href: address('', { q: id }) }, h('span', { class: 'row-id' }, id), ' ', phase.title || ''),
      phase.description && h('small', {}, phase.description)),
    h('td', {}, told), h('td', { class: 'wide' }, h('div', { class: 'proportion thin', 'aria-hidden': 'true' }, bars)),
    h('td', { class: 'number' }, ms(cases.reduce((sum, found) => sum + found.duration, 0))));
}

function slowestOperations() {
  const found = data.index.slowest;
  if (!found.length) return null;
  const head = [['Operation', ''], ['Requests', 'number'], ['Median', 'number'], ['95th percentile', 'number'], ['Slowest', 'number']];
  return h('section', {}, h('h2', {}, 'Slowest operations', h('small', {}, 'as the runner saw them, beside the cases that ran at the same time')),
    h('div', { class: 'scroller' }, h('table', { class: 'slowest' },
      h('thead', {}, h('tr', {}, head.map(([name, kind]) => h('th', { scope: 'col', class: kind }, name)))),
      h('tbody', {}, found.map((one) => h('tr', {}, h('th', { scope: 'row' }, h('code', {}, one.name), h('small', {}, serviceName(one.service))),
        h('td', { class: 'number' }, count(one.count)), h('td', { class: 'number' }, ms(one.median_ms)), h('td', { class: 'number' }, ms(one.p95_ms)),
        h('td', { class: 'number' }, h('a', { href: caseAddress(one.slowest_case, { at: one.slowest_exchange }) }, ms(one.slowest_ms)), h('small', {}, one.slowest_case))))))));
}
