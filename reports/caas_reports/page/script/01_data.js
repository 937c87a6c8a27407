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

async function unpack(id) {
  const packed = new Blob([bytesOf(id)]).stream();
  const plain = packed.pipeThrough(new DecompressionStream('deflate-raw'));
  return JSON.parse(await new Response(plain).text());
}

async function loadIndex() {
  data.index = await unpack('index');
  for (const found of data.index.cases) data.byId.set(found.id, found);
}

function attemptsOf(found) {
  const name = `evidence-${found.block}`;
  if (!data.evidence.has(name)) data.evidence.set(name, unpack(name));
  return data.evidence.get(name).then((block) => block[found.slot]);
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
