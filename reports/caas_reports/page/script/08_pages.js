// The other pages: requirements, comparison, about the run.

// Which states a tab of the matrix shows.
const MATRIX_TABS = [
  ['', 'All', () => true],
  ['unproven', 'Not proven', (state) => ['failed', 'error', 'not_run', 'skipped'].includes(state)],
  ['tagged', 'Tagged, not shown', (state, one) => one.cases.length > 0 && !one.shown.length],
  ['uncovered', 'Uncovered', (state) => state === 'uncovered'],
  ['planned', 'Planned', (state) => state === 'planned'],
];
const GAP_HINTS = {
  uncovered: 'No case of this run names it', planned: 'Its service is yet to come: no case is no gap',
};

function requirementsPage() {
  const rows = data.index.matrix;
  const [chosen, , wanted] = MATRIX_TABS.find(([name]) => name === route.query.get('show')) || MATRIX_TABS[0];
  const shown = rows.filter((one) => wanted(one.state, one));
  const head = h('tr', {}, ['Requirement', 'What must be true', 'Verdict', 'Cases', 'Shown by'].map((name) => h('th', { scope: 'col' }, name)));
  return [h('header', { class: 'page-head' }, h('h1', { tabindex: '-1' }, 'Requirements'),
    h('p', {}, `${data.index.covered}.`),
    h('nav', { class: 'tabs', 'aria-label': 'Which requirements' }, MATRIX_TABS.map(([name, word, has]) => h('a', {
      href: address('requirements', { show: name }), 'aria-current': name === chosen ? 'true' : null,
    }, `${word} ${rows.filter((one) => has(one.state, one)).length}`)))),
  shown.length ? h('div', { class: 'scroller' }, h('table', { class: 'matrix stack' }, h('thead', {}, head), h('tbody', {}, shown.map(requirementRow))))
    : h('p', { class: 'empty' }, 'None.')];
}

function requirementOf(id) {
  return (data.index.run.requirements || []).find((known) => known.id === id) || { id, text: 'not in the catalogue' };
}

function requirementRow(one) {
  const known = requirementOf(one.id);
  const source = [known.source, known.anchor].filter(Boolean).join(', ');
  return h('tr', { id: `requirement-${one.id}`, class: route.query.get('at') === one.id ? 'target' : '' },
    h('th', { scope: 'row' }, h('a', { href: address('', { requirement: one.id }) }, one.id), h('span', { class: `level level-${known.level || 'MUST'}` }, known.level || 'MUST')),
    h('td', {}, known.text, source && h('small', {}, source)),
    h('td', {}, one.cases.length ? badge(one.state) : h('span', { class: `badge gap gap-${one.state}`, title: GAP_HINTS[one.state] }, one.state)),
    h('td', {}, h('span', { class: 'case-chips' }, one.cases.map((id) => caseChip(data.byId.get(id))))),
    h('td', {}, shownBy(one)));
}

// A tag is its author's claim; a fault that turned the case red is its proof.
function shownBy(one) {
  if (one.shown.length) return h('span', { class: 'case-chips' }, one.shown.map((fault) => h('code', {}, fault)));
  return one.cases.length > 0 && h('span', { class: 'badge gap', title: 'No fault has shown that its breach turns a case red' }, 'not shown');
}

function caseChip(found) {
  return h('a', { class: `case-chip verdict-${found.verdict}`, href: caseAddress(found.id), title: found.title }, icon(found.verdict), found.id);
}

function comparisonPage() {
  const { seed, other } = data.index;
  if (!seed && !other) return [h('h1', { tabindex: '-1' }, 'Comparison'), h('p', { class: 'empty' }, 'This report was made without a baseline.')];
  const beside = other && route.query.get('beside') !== 'seed' ? 'run' : 'seed';
  const tabs = seed && other && h('nav', { class: 'tabs', 'aria-label': 'Compared with' },
    h('a', { href: address('comparison', { beside: 'run' }), 'aria-current': beside === 'run' ? 'true' : null }, `Run ${other.before}`),
    h('a', { href: address('comparison', { beside: 'seed' }), 'aria-current': beside === 'seed' ? 'true' : null }, 'The seed’s report'));
  return beside === 'run' ? runComparison(other, tabs) : seedComparison(seed, tabs);
}

const CHANGES = ['regressed', 'fixed', 'hardened', 'same', 'not_covered', 'changed', 'new', 'removed'];

function changeTabs(counts, extra) {
  const chosen = route.query.get('change') || '';
  const told = CHANGES.filter((change) => change in counts && (counts[change] || ['regressed', 'fixed'].includes(change)));
  return h('nav', { class: 'tiles', 'aria-label': 'Changes' }, told.map((change) => [change, counts[change]]).map(([change, count]) => h('a', {
    class: `tile change-${change}`, href: address('comparison', { ...extra, change: chosen === change ? '' : change }), 'aria-current': chosen === change ? 'true' : null,
  }, h('b', {}, count), h('span', {}, CHANGE_WORDS[change] || change))));
}

function seedComparison(seed, tabs) {
  const totals = data.index.seedTotals;
  const chosen = route.query.get('change') || '';
  const rows = seed.rows.filter((one) => !chosen || one.change === chosen);
  return [h('header', { class: 'page-head' }, h('h1', { tabindex: '-1' }, 'Then and now'),
    h('p', { class: 'lead' }, `The seed’s report said ${totals.passed} of ${totals.cases} passed. ${totals.any_status} of its ${totals.http_cases} HTTP cases accepted any status, ${totals.error_passes} of those passed on a 4xx or 5xx, and ${totals.foreign_log_entries} of its ${totals.log_entries} log entries belonged to other requests.`), tabs),
  changeTabs(seed.counts, { beside: data.index.other ? 'seed' : '' }),
  h('div', { class: 'scroller' }, h('table', { class: 'matrix stack comparison' },
    h('thead', {}, h('tr', {}, ['Case of the seed’s report', 'Then', 'Now', 'Change'].map((name) => h('th', { scope: 'col' }, name)))),
    h('tbody', {}, rows.map((one) => h('tr', {},
      h('th', { scope: 'row' }, h('span', { class: 'row-id' }, `#${one.number}`), ' ', one.name),
      h('td', {}, h('span', { class: `then-word then-${one.then}` }, one.outcome, one.outcome !== one.then && ` · ${thenWords(one.then)}`), h('small', { class: 'answered', title: one.answered }, one.answered)),
      h('td', {}, h('span', { class: 'case-chips' }, one.cases.map((id) => caseChip(data.byId.get(id))))),
      h('td', {}, changeBadge(one.change), h('small', {}, one.reason)))))))];
}

function runComparison(other, tabs) {
  const chosen = route.query.get('change') || '';
  const rows = other.rows.filter((one) => (chosen ? one.change === chosen : true));
  const delta = other.latency_before_ms ? `${((other.latency_after_ms / other.latency_before_ms - 1) * 100).toFixed(0)} %` : '';
  return [h('header', { class: 'page-head' }, h('h1', { tabindex: '-1' }, 'Beside another run'),
    h('p', { class: 'lead' }, `${other.before} then, ${other.after} now. Checks ${other.checks_before} → ${other.checks_after}. Median wait for the platform ${ms(other.latency_before_ms)} → ${ms(other.latency_after_ms)}${delta ? ` (${delta})` : ''}.`), tabs),
  changeTabs(other.counts, { beside: data.index.seed ? 'run' : '' }),
  h('div', { class: 'scroller' }, h('table', { class: 'matrix stack comparison' },
    h('thead', {}, h('tr', {}, ['Case', 'Before', 'After', 'Checks', 'Waited', 'Change'].map((name) => h('th', { scope: 'col' }, name)))),
    h('tbody', {}, rows.map((one) => h('tr', {},
      h('th', { scope: 'row' }, data.byId.has(one.id) ? h('a', { href: caseAddress(one.id) }, h('span', { class: 'row-id' }, one.id), ' ', one.title) : [h('span', { class: 'row-id' }, one.id), ' ', one.title]),
      h('td', {}, one.before ? badge(one.before) : '–'), h('td', {}, one.after ? badge(one.after) : '–'),
      h('td', {}, `${one.checks_before} → ${one.checks_after}`, (one.checks_gone.length + one.checks_new.length) > 0 && h('small', {}, [...one.checks_gone.map((id) => `−${id}`), ...one.checks_new.map((id) => `+${id}`)].join(' '))),
      h('td', { class: 'number' }, `${ms(one.latency_before_ms)} → ${ms(one.latency_after_ms)}`),
      h('td', {}, changeBadge(one.change)))))))];
}

function facts(title, entries) {
  const told = entries.filter(([, value]) => value !== undefined && value !== '' && value !== null);
  if (!told.length) return null;
  return h('section', { class: 'fact-section' }, h('h2', {}, title), h('dl', { class: 'fact-list' }, told.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value instanceof Node ? value : typeof value === 'object' ? JSON.stringify(value) : String(value))))));
}

function aboutPage() {
  const { run } = data.index;
  const found = run.correlation || {};
  const cost = run.overhead || {};
  const target = run.target || {};
  return [h('header', { class: 'page-head' }, h('h1', { tabindex: '-1' }, 'About the run')),
    h('div', { class: 'command' }, h('code', {}, run.command), copyButton(run.command, 'Copy the command')),
    gates(run.gates || []),
    h('div', { class: 'about' },
      facts('Run', [['Run', run.run_id], ['Status', run.status], ['Verdict', badge(run.verdict)], ['Started', moment(run.started_at)], ['Duration', ms(run.duration_ms)], ['Tool', `caas ${run.tool_version}`], ['Report model', run.schema_version]]),
      facts('What was tested', [['Target', target.description], ...Object.entries(target.urls || {}).sort().map(([name, url]) => [name, `${url}${(target.versions || {})[name] ? `, ${target.versions[name]}` : ''}`])]),
      facts('Correlation', [['Attempts with a trace', `${found.attempts_with_trace || 0} of ${found.attempts || 0}`], ['Attempts with a log line', `${found.attempts_with_log || 0} of ${found.attempts || 0}`], ['Spans owned', `${found.owned_spans || 0} of ${found.spans || 0}`], ['Orphan spans', found.orphan_spans || 0], ['Foreign spans', found.foreign_spans || 0], ['Log lines owned', `${found.owned_logs || 0} of ${found.logs || 0}`], ['Foreign log lines', found.foreign_logs || 0],
        ...Object.entries(found.uncorrelated_logs || {}).sort().map(([name, count]) => [`${name}: lines without a trace`, count])]),
      facts('Cost of the harness', [['Median per case', ms(cost.median_ms || 0)], ['95th percentile', ms(cost.p95_ms || 0)], ['In all', ms(cost.total_ms || 0)], ['Waiting for telemetry', ms(cost.telemetry_wait_ms || 0)], ['Judging answers by their document', ms(cost.contract_ms || 0)]]),
      facts('Options', Object.entries(run.options || {}).sort()),
      facts('Environment', Object.entries(run.environment || {}).sort())),
    pastRuns()];
}

function pastRuns() {
  const past = data.index.history || [];
  if (!past.length) return null;
  const all = [...past, data.index.run].reverse();
  return h('section', { class: 'fact-section' }, h('h2', {}, 'Runs'), h('div', { class: 'scroller' }, h('table', { class: 'matrix' },
    h('thead', {}, h('tr', {}, ['Run', 'Started', 'Verdict', 'Passed', 'Failed', 'Other', 'Time'].map((name) => h('th', { scope: 'col' }, name)))),
    h('tbody', {}, all.map((one) => {
      const counts = one.counts || {};
      const other = (counts.warning || 0) + (counts.error || 0) + (counts.skipped || 0) + (counts.not_run || 0);
      return h('tr', {}, h('th', { scope: 'row' }, one.run_id), h('td', {}, moment(one.started_at)), h('td', {}, badge(one.verdict)), h('td', { class: 'number' }, counts.passed || 0), h('td', { class: 'number' }, counts.failed || 0), h('td', { class: 'number' }, other), h('td', { class: 'number' }, ms(one.duration_ms)));
    })))));
}
