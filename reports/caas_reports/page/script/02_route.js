// The address: `#/case/S04.02?verdict=failed&tag=auth` says which page, and what is filtered.

const FILTERS = ['q', 'verdict', 'tag', 'service', 'requirement', 'cause'];
const PAGES = [
  ['', 'Cases'], ['requirements', 'Requirements'], ['contract', 'Contract'], ['comparison', 'Comparison'], ['about', 'About'],
];

const route = { page: '', id: '', query: new URLSearchParams() };

function readRoute() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const [page, id] = path.split('/');
  route.page = page || '';
  route.id = id ? decode(id) : '';
  route.query = new URLSearchParams(query || '');
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// Filters stay when the page changes; what belongs to one page alone does not.
function address(path, changes) {
  const query = new URLSearchParams();
  for (const name of FILTERS) {
    if (route.query.get(name)) query.set(name, route.query.get(name));
  }
  for (const [name, value] of Object.entries(changes || {})) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  const text = query.toString();
  return `#/${path}${text ? `?${text}` : ''}`;
}

// What a page is asked to show at once: a requirement of the matrix, an exchange of a case.
function targetOf(at) {
  return document.getElementById(`${route.page === 'case' ? 'exchange' : 'requirement'}-${at}`);
}

function caseAddress(id, changes) {
  return address(`case/${encodeURIComponent(id)}`, changes);
}

function here(changes) {
  const path = route.id ? `${route.page}/${encodeURIComponent(route.id)}` : route.page;
  return address(path, changes);
}

function go(target) {
  if (location.hash === target) showRoute();
  else location.hash = target;
}

// Typing in a field does not fill the history with letters.
function setFilter(name, value) {
  history.replaceState(null, '', here({ [name]: value }));
  readRoute();
  showList();
}

function filtered(name) {
  return (route.query.get(name) || '').split(',').filter(Boolean);
}

function matching() {
  const words = (route.query.get('q') || '').toLowerCase().split(/\s+/).filter(Boolean);
  const verdicts = filtered('verdict');
  const tag = route.query.get('tag');
  const service = route.query.get('service');
  const requirement = route.query.get('requirement');
  const cause = route.query.get('cause');
  return data.index.cases.filter((found) => (
    (!verdicts.length || verdicts.includes(found.verdict)
      || (found.flaky && verdicts.includes('flaky')) || (isNew(found) && verdicts.includes('new')))
    && (!tag || found.tags.includes(tag))
    && (!service || found.services.includes(service))
    && (!requirement || found.requirements.includes(requirement))
    && (!cause || String(found.cause) === cause)
    && words.every((word) => haystack(found).includes(word))));
}

// Red now, and green when it ran last.
function isNew(found) {
  return Boolean(found.before) && !found.before.runs;
}

function haystack(found) {
  if (!found.text) {
    found.text = [found.id, found.title, found.proves, found.message, found.phase,
      phaseTitle(found.phase), ...found.tags, ...found.requirements, ...found.services]
      .join(' ').toLowerCase();
  }
  return found.text;
}
