// One case: what it proves, and all the evidence of its attempts.

let drawing = 0;

async function casePage(main) {
  const found = data.byId.get(route.id);
  if (!found) {
    replace(main, h('h1', { tabindex: '-1' }, 'No such case'), h('p', {}, 'This run has no case ', h('code', {}, route.id), '. ', h('a', { href: address('') }, 'All cases')));
    return;
  }
  drawing += 1;
  const mine = drawing;
  const asked = Number(route.query.get('attempt'));
  const place = found.places.find(([number]) => number === asked) || found.places[found.places.length - 1];
  const attempt = place && await attemptAt(place);
  if (mine !== drawing) return; // The reader went on while this was unpacked.
  const parts = attempt ? attemptParts(found, attempt)
    : [place && elsewherePart(found, place), brokenPart(found), reproduce(found), thenAndNow(found)];
  replace(main, caseHead(found, attempt), attemptTabs(found, place), parts);
}

function elsewherePart(found, [number, verdict]) {
  return h('section', { class: 'elsewhere' },
    h('p', {}, `Attempt ${number} ${VERDICT_WORDS[verdict] || verdict}. Its evidence would make this page too big to send: it lies beside it, in evidence.jsonl.gz. `,
      h('code', {}, 'caas report render --format html --full'), ' writes a page with all of it.'));
}

function caseHead(found, attempt) {
  const facts = [];
  if (attempt) {
    facts.push(ms(attempt.duration_ms), `${moment(attempt.started_at)}`);
    if (found.checks) facts.push(`${found.passed} of ${plural(found.checks, 'check')} passed`);
    if (attempt.overhead_ms) facts.push(`harness ${ms(attempt.overhead_ms)}`);
  }
  return h('header', { class: `case-head verdict-${found.verdict}` },
    h('p', { class: 'crumbs' }, h('a', { href: address('') }, 'All cases'), h('span', { 'aria-hidden': 'true' }, '›'), `${found.phase} ${phaseTitle(found.phase)}`),
    h('div', { class: 'case-title' }, h('h1', { tabindex: '-1' }, h('span', { class: 'row-id' }, found.id), ' ', found.title), badge(found.verdict), found.flaky && h('span', { class: 'badge verdict-flaky' }, 'flaky')),
    h('p', { class: 'proves' }, found.proves),
    found.reason && !found.finding && h('p', { class: 'reason' }, found.reason),
    h('p', { class: 'facts' }, facts.map((fact) => h('span', {}, fact)),
      attempt && attempt.trace_id && h('span', { class: 'trace-id' }, 'trace ', h('code', {}, attempt.trace_id), copyButton(attempt.trace_id, 'Copy the trace id'))),
    h('p', { class: 'tags' }, found.tags.map((tag) => h('a', { class: 'tag', href: address('', { tag }) }, tag)), found.requirements.map(requirementChip),
      found.services.map((service) => h('a', { class: 'tag service-tag', href: address('', { service }) }, serviceName(service)))));
}

const TABS_MAX = 12;

function attemptTabs(found, shown) {
  if (found.places.length < 2) return null;
  if (found.places.length > TABS_MAX) return attemptChoice(found, shown);
  return h('nav', { class: 'tabs', 'aria-label': 'Attempts' }, found.places.map((place) => h('a', {
    href: caseAddress(found.id, { attempt: place[0] }), 'aria-current': place === shown ? 'true' : null,
  }, icon(place[1]), `Attempt ${place[0]}`)));
}

function attemptChoice(found, shown) {
  return h('nav', { class: 'tabs', 'aria-label': 'Attempts' }, h('select', {
    'aria-label': 'Attempt', onchange: (event) => go(caseAddress(found.id, { attempt: event.target.value })),
  }, found.places.map((place) => h('option', { value: place[0], selected: place === shown },
    `Attempt ${place[0]} of ${found.places.length}: ${VERDICT_WORDS[place[1]] || place[1]}`))));
}

function attemptParts(found, attempt) {
  const broken = brokenPart(found, attempt);
  const exchanges = (attempt.exchanges || []).length;
  const checks = part('Checks', checksPart(attempt), 'checks');
  const timeline = part('Timeline', timelinePart(attempt, found), 'timeline', `${plural((attempt.spans || []).length, 'span')}, ${plural((attempt.logs || []).length, 'log line')}`);
  return [
    broken,
    attempt.failure && (attempt.failure.kind !== 'timeout' || attempt.failure.detail) && failurePart(attempt.failure),
    // Where the failed check was told already, the next question is what happened.
    broken ? [timeline, checks] : [checks, timeline],
    part('Exchanges', exchangesPart(attempt), 'exchanges', exchanges ? plural(exchanges, 'exchange') : ''),
    part('Logs', logsPart(attempt), 'logs'),
    reproduce(found),
    thenAndNow(found),
  ];
}

function part(title, content, id, note) {
  return h('section', { class: `part-section part-${id}`, id: `part-${id}` }, h('h2', {}, title, note && h('small', {}, note)), content);
}

function failurePart(failure) {
  return h('section', { class: 'failure verdict-error' }, h('h2', {}, `${failure.kind} failure`), h('p', {}, failure.message),
    failure.detail && h('pre', { class: 'body', tabindex: '0' }, failure.detail));
}

function reproduce(found) {
  if (!found.reproduce) return null;
  return part('Run it again', h('div', { class: 'command' }, h('code', {}, found.reproduce), copyButton(found.reproduce, 'Copy the command')), 'reproduce');
}

function thenAndNow(found) {
  if (!found.baseline.length || !data.index.seed) return null;
  const rows = found.baseline.map((number) => data.index.seed.rows.find((one) => one.number === number)).filter(Boolean);
  return part('Then and now', h('div', { class: 'then-list' }, rows.map((one) => h('article', { class: 'then' },
    h('h3', {}, h('span', { class: 'row-id' }, `#${one.number}`), ' ', one.name, changeBadge(one.change)),
    h('dl', {}, h('div', {}, h('dt', {}, 'Then'), h('dd', {}, h('b', {}, one.outcome), ` (${thenWords(one.then)}): `, h('code', {}, one.answered))),
      h('div', {}, h('dt', {}, 'Hollow'), h('dd', {}, one.hollow.join('; ') || 'nothing')),
      h('div', {}, h('dt', {}, 'Now'), h('dd', {}, one.reason)))))), 'then', 'in the seed’s report');
}

const THEN_WORDS = {
  failed: 'reported as failed', unanswered: 'never answered', wrong: 'passed on a wrong answer',
  unproven: 'anything would have passed', stated: 'by its status alone',
};

function thenWords(then) {
  return THEN_WORDS[then] || then;
}

const CHANGE_WORDS = { not_covered: 'not yet covered' };

function changeBadge(change) {
  return h('span', { class: `change change-${change}` }, CHANGE_WORDS[change] || change);
}

function logsPart(attempt) {
  const logs = [...(attempt.logs || [])].sort((a, b) => a.offset_ms - b.offset_ms);
  if (!logs.length) return h('p', { class: 'empty' }, 'No service wrote a line under this trace.');
  const state = { service: '', level: '' };
  const body = h('tbody', {});
  const count = h('span', { class: 'matches' });
  const draw = () => {
    const least = LEVELS.indexOf(state.level);
    const shown = logs.filter((one) => (!state.service || one.service === state.service) && LEVELS.indexOf(one.level) >= least);
    count.textContent = `${shown.length} of ${plural(logs.length, 'line')}`;
    replace(body, shown.map(logRow));
  };
  const choice = (name, any, values) => h('select', { 'aria-label': any, 'data-log-filter': name, onchange: (event) => { state[name] = event.target.value; draw(); } },
    h('option', { value: '' }, any), values.map((value) => h('option', { value }, name === 'level' ? `${value} and above` : value)));
  draw();
  return [h('div', { class: 'log-filters' }, choice('service', 'Every service', [...new Set(logs.map((one) => one.service))].sort()), choice('level', 'Every level', LEVELS.filter((level) => logs.some((one) => one.level === level))), count),
    h('div', { class: 'scroller' }, h('table', { class: 'logs' }, h('thead', {}, h('tr', {}, ['At', 'Level', 'Service', 'Message'].map((name) => h('th', { scope: 'col' }, name)))), body))];
}

function logRow(record) {
  return h('tr', { class: `log log-${record.level}` }, h('td', { class: 'number' }, ms(record.offset_ms)), h('td', {}, h('span', { class: `log-level level-${record.level}` }, record.level)), h('td', {}, serviceName(record.service)),
    h('td', { class: 'log-message' }, record.message, logFacts(record.attributes)));
}
