// Start: unpack the index, build the frame, and show what the address says.

let shown = false;

async function showRoute() {
  keepPlace();
  readRoute();
  hideTip();
  const main = document.getElementById('main');
  const pages = { '': overview, requirements: requirementsPage, contract: contractPage, comparison: comparisonPage, about: aboutPage };
  showNavigation();
  document.body.dataset.page = route.page || 'overview';
  if (route.page === 'case') await casePage(main);
  else replace(main, (pages[route.page] || overview)());
  main.className = `page-${route.page || 'overview'}`;
  showList();
  const title = main.querySelector('h1');
  document.title = `${title ? title.textContent : 'Report'} · CAAS conformance`;
  const target = route.query.get('at') && targetOf(route.query.get('at'));
  if (target) {
    if (route.page === 'case') target.open = true;
    target.scrollIntoView({ block: route.page === 'case' ? 'start' : 'center' });
  } else scrollBack(main);
  if (shown && !route.page && FILTERS.some((name) => route.query.get(name))) showCases();
  if (shown && title && document.activeElement.id !== 'search') title.focus({ preventScroll: true });
  if (shown && title) announce(title.textContent);
  shown = true;
}

// Who comes back to a list goes on where they were; a case is read from its top.
const places = new Map();

function keepPlace() {
  if (shown && route.page !== 'case') places.set(route.page, [document.getElementById('main').scrollTop, scrollY]);
}

function scrollBack(main) {
  const [inside, whole] = places.get(route.page) || [0, 0];
  main.scrollTop = inside;
  scrollTo(0, whole);
}

// On a phone the list stands below the overview; elsewhere it is in sight and nothing moves.
function showCases() {
  document.querySelector('.sidebar').scrollIntoView({ block: 'start' });
}

function showNavigation() {
  const current = route.page === 'case' ? '' : route.page;
  replace(document.querySelector('.pages'), PAGES.map(([page, name]) => h('a', {
    href: address(page), 'aria-current': page === current ? 'page' : null,
  }, name)));
}

async function start() {
  const theme = remembered();
  if (theme) document.documentElement.dataset.theme = theme;
  const main = document.getElementById('main');
  try {
    await loadIndex();
  } catch (error) {
    replace(main, h('h1', {}, 'This browser can’t unpack the report'), h('p', {}, 'It needs DecompressionStream: Chrome 103, Firefox 113 or Safari 16.4. The same run is in report.md. ', String(error)));
    return;
  }
  const dialog = buildHelp();
  buildTools(document.querySelector('.bar-tools'), dialog);
  buildSidebar(document.querySelector('.sidebar'));
  listen(dialog);
  addEventListener('hashchange', showRoute);
  // The address belongs to the route: the link moves the focus and nothing else.
  document.querySelector('.skip-link').addEventListener('click', (event) => {
    event.preventDefault();
    main.focus();
  });
  const first = document.body.dataset.start;
  if (!location.hash && first) history.replaceState(null, '', first);
  await showRoute();
  document.documentElement.dataset.readyMs = performance.now().toFixed(0);
  document.documentElement.dataset.ready = 'true';
}

start();
