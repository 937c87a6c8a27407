// The list of cases: search, filters, what needs attention first, then phase by phase.

const ATTENTION = new Set(['failed', 'error', 'not_run', 'warning']);
const list = { rows: [], at: -1 };

function buildSidebar(aside) {
  const search = h('input', {
    id: 'search', type: 'search', placeholder: 'Search cases', 'aria-label': 'Search cases',
    autocomplete: 'off', spellcheck: 'false', oninput: (event) => setFilter('q', event.target.value),
  });
  replace(aside,
    h('div', { class: 'filters', role: 'search' },
      h('div', { class: 'search' }, search, h('kbd', { 'aria-hidden': 'true' }, '/')),
      h('div', { class: 'chips', role: 'group', 'aria-label': 'Verdict', id: 'verdict-chips' }),
      h('div', { class: 'selects' },
        select('tag', 'Any tag', (found) => found.tags),
        select('service', 'Any service', (found) => found.services),
        select('requirement', 'Any requirement', (found) => found.requirements)),
      h('div', { class: 'matches' }, h('span', { id: 'matches' }),
        h('button', { type: 'button', class: 'plain', id: 'clear', onclick: clearFilters }, 'Clear filters'))),
    h('nav', { class: 'list', id: 'list', 'aria-label': 'Cases by phase' }));
}

function select(name, any, valuesOf) {
  const counts = new Map();
  for (const found of data.index.cases) {
    for (const value of new Set(valuesOf(found))) counts.set(value, (counts.get(value) || 0) + 1);
  }
  const options = [...counts.keys()].sort().map((value) => h('option', { value }, `${value} (${counts.get(value)})`));
  return h('select', {
    id: `filter-${name}`, 'aria-label': any.replace('Any', 'Filter by'),
    onchange: (event) => setFilter(name, event.target.value),
  }, h('option', { value: '' }, any), options);
}

function clearFilters() {
  history.replaceState(null, '', here(Object.fromEntries(FILTERS.map((name) => [name, '']))));
  readRoute();
  showList();
}

function showChips() {
  const chosen = filtered('verdict');
  const counts = data.index.run.counts || {};
  const fresh = data.index.cases.filter(isNew).length;
  const kinds = [...VERDICTS, 'flaky', 'new'].filter((kind) => (kind === 'new' ? fresh : counts[kind]));
  const chips = kinds.map((kind) => h('button', {
    type: 'button', class: `chip verdict-${kind}`, 'aria-pressed': String(chosen.includes(kind)),
    'data-verdict': kind,
    onclick: () => {
      const next = chosen.includes(kind) ? chosen.filter((one) => one !== kind) : [...chosen, kind];
      setFilter('verdict', next.join(','));
      const again = document.querySelector(`#verdict-chips [data-verdict="${kind}"]`);
      if (again) again.focus();
    },
  }, `${VERDICT_WORDS[kind] || kind} `, h('b', {}, kind === 'new' ? fresh : counts[kind])));
  replace(document.getElementById('verdict-chips'), chips);
}

function showList() {
  const found = matching();
  const search = document.getElementById('search');
  const asked = route.query.get('q') || '';
  if (search.value !== asked) search.value = asked;
  for (const name of ['tag', 'service', 'requirement']) {
    document.getElementById(`filter-${name}`).value = route.query.get(name) || '';
  }
  showChips();
  const active = FILTERS.some((name) => route.query.get(name));
  const total = data.index.cases.length;
  document.getElementById('matches').textContent = active
    ? `${found.length} of ${plural(total, 'case')}` : plural(total, 'case');
  document.getElementById('clear').hidden = !active;
  const attention = found.filter((one) => ATTENTION.has(one.verdict) || one.flaky);
  attention.sort((a, b) => VERDICTS.indexOf(a.verdict) - VERDICTS.indexOf(b.verdict) || (a.cause ?? 0) - (b.cause ?? 0));
  // Where everything red is new, the word would only take room from the titles.
  list.allNew = data.index.cases.every((one) => !one.before || isNew(one));
  const groups = [];
  if (attention.length) groups.push(group('Needs attention', attention, 'attention'));
  for (const phase of phasesInOrder()) {
    const cases = found.filter((one) => one.phase === phase);
    if (cases.length) groups.push(group([h('b', {}, phase), ' ', phaseTitle(phase)], cases));
  }
  if (!groups.length) groups.push(h('p', { class: 'empty' }, 'No case matches. Clear a filter to see more.'));
  const holder = document.getElementById('list');
  replace(holder, groups);
  list.rows = [...holder.querySelectorAll('.row')];
  markRow();
}

function group(title, cases, extra) {
  const passed = cases.filter((one) => one.verdict === 'passed').length;
  const tally = extra ? String(cases.length) : `${passed}/${cases.length}`;
  return h('section', { class: `group ${extra || ''}` },
    h('h2', {}, h('span', {}, title), h('span', { class: 'tally' }, tally)),
    h('ul', {}, cases.map((found) => h('li', {}, row(found)))));
}

function row(found) {
  return h('a', { class: 'row', href: caseAddress(found.id), 'data-id': found.id },
    icon(found.verdict), h('span', { class: 'row-id' }, found.id),
    h('span', { class: 'row-title' }, found.title),
    (found.flaky || (isNew(found) && !list.allNew)) && h('span', { class: 'row-flaky' }, found.flaky ? 'flaky' : 'new'),
    h('span', { class: 'row-time' }, found.attempts ? ms(found.duration) : ''));
}

function markRow() {
  const open = route.page === 'case' ? route.id : '';
  for (const one of list.rows) {
    const current = one.dataset.id === open;
    one.classList.toggle('current', current);
    if (current) one.setAttribute('aria-current', 'page');
    else one.removeAttribute('aria-current');
  }
  // A case that needs attention stands in the list twice: stay where the reader was.
  if (!list.rows[list.at] || list.rows[list.at].dataset.id !== open) {
    list.at = list.rows.findIndex((one) => one.dataset.id === open);
  }
}

function step(by, wanted) {
  const accepts = wanted || (() => true);
  for (let at = list.at + by; at >= 0 && at < list.rows.length; at += by) {
    const found = data.byId.get(list.rows[at].dataset.id);
    if (accepts(found) && found.id !== route.id) {
      list.at = at;
      list.rows[at].scrollIntoView({ block: 'nearest' });
      go(caseAddress(found.id));
      return;
    }
  }
}
