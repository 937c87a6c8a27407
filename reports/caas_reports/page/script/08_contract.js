// The contract: which operations and statuses of the services' documents were seen, and which never.

function contractPage() {
  const operations = data.index.run.contract || [];
  if (!operations.length) return [h('h1', { tabindex: '-1' }, 'Contract'), h('p', { class: 'empty' }, 'No answer was judged by a document.')];
  const onlyUnseen = route.query.get('show') === 'unseen';
  const shown = operations.map((one) => ({ ...one, answers: (one.answers || []).filter((answer) => !onlyUnseen || !answer.times) }))
    .filter((one) => one.answers.length);
  const unseen = operations.reduce((sum, one) => sum + (one.answers || []).filter((answer) => !answer.times).length, 0);
  const head = h('tr', {}, ['Operation', 'Status', 'Times', 'First case'].map((name) => h('th', { scope: 'col' }, name)));
  return [h('header', { class: 'page-head' }, h('h1', { tabindex: '-1' }, 'Contract'),
    h('p', {}, `${data.index.seen}.`),
    h('nav', { class: 'tabs', 'aria-label': 'Which answers' },
      h('a', { href: address('contract'), 'aria-current': onlyUnseen ? null : 'true' }, 'All'),
      h('a', { href: address('contract', { show: 'unseen' }), 'aria-current': onlyUnseen ? 'true' : null }, `Never seen ${unseen}`))),
  shown.length ? h('div', { class: 'scroller' }, h('table', { class: 'matrix stack' }, h('thead', {}, head), h('tbody', {}, shown.flatMap(operationRows))))
    : h('p', { class: 'empty' }, 'None.')];
}

function operationRows(one) {
  return one.answers.map((answer, number) => h('tr', {},
    number ? h('td', {}) : h('th', { scope: 'row' }, `${one.method} ${one.path}`, h('small', {}, one.service), one.unseen_because && h('small', {}, one.unseen_because)),
    h('td', {}, answer.status),
    h('td', { class: 'number' }, answer.times || 'never'),
    h('td', {}, data.byId.has(answer.first_case) ? caseChip(data.byId.get(answer.first_case)) : '')));
}
