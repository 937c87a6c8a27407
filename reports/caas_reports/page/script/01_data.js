// The run: an index that is unpacked at once, and blocks of evidence unpacked when first needed.

const data = { index: null, byId: new Map(), evidence: new Map() };

function bytesOf(id) {
  const text = document.getElementById(id).textContent;
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let at = 0; at < raw.length; at += 1) bytes[at] = raw.charCodeAt(at);
  return bytes;
}

async function textOf(id, format) {
  const packed = new Blob([bytesOf(id)]).stream();
  return new Response(packed.pipeThrough(new DecompressionStream(format))).text();
}

async function unpack(id) {
  return JSON.parse(await textOf(id, 'deflate-raw'));
}

// A member of the run's evidence file: a line an attempt, of which only the wanted one is read.
async function unpackLines(id) {
  return (await textOf(id, 'gzip')).split('\n');
}

async function loadIndex() {
  data.index = await unpack('index');
  for (const found of data.index.cases) data.byId.set(found.id, found);
}

// The evidence of one attempt; nothing when the page does not carry it.
async function attemptAt([, , block, slot]) {
  if (!block) return null;
  const isKept = block.startsWith('kept-');
  if (!data.evidence.has(block)) data.evidence.set(block, isKept ? unpackLines(block) : unpack(block));
  const found = (await data.evidence.get(block))[slot];
  return isKept ? JSON.parse(found).attempt : found;
}

function phaseTitle(id) {
  const phase = (data.index.run.phases || []).find((known) => known.id === id);
  return phase ? phase.title : '';
}

function phasesInOrder() {
  const ids = [...new Set(data.index.cases.map((found) => found.phase))];
  const known = (data.index.run.phases || []).map((phase) => phase.id);
  const rank = (id) => (known.includes(id) ? known.indexOf(id) : known.length);
  return ids.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

// Services keep their colour on every page; the runner, which is none of them, is grey.
function serviceColour(name) {
  if (!data.services) {
    data.services = [...new Set(data.index.cases.flatMap((found) => found.services))].sort();
  }
  const place = data.services.indexOf(name);
  return place < 0 ? 'service-runner' : `service-${place % 8}`;
}

function serviceName(name) {
  return h('span', { class: `service ${serviceColour(name)}` },
    h('span', { class: 'dot', 'aria-hidden': 'true' }), name);
}
