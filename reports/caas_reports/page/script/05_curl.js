// A request as a shell command that sends the same bytes.

// Headers that curl adds by itself unless it is told not to.
const CURL_ADDS = ['Host', 'User-Agent', 'Accept'];
const CURL_ADDS_TO_BODIES = ['Content-Length', 'Content-Type'];
const REDACTED = '[redacted]';

// Nothing when the request was not sent by the HTTP client, or was cut. What was redacted stays
// so and has to be filled in; its length is then curl's to count.
function curlOf(found) {
  const { raw = '', truncated } = found.request || {};
  const end = raw.indexOf('\n\n');
  const origin = /^[a-z]+:\/\/[^/?#]+/.exec(found.url || '');
  if (!['http', 'sse'].includes(found.protocol) || truncated || end < 0 || !origin) return '';
  const [first, ...lines] = raw.slice(0, end).split('\n');
  const body = raw.slice(end + 2);
  const [method] = first.split(' ');
  const target = first.slice(method.length + 1, first.lastIndexOf(' '));
  const text = shellText(body);
  const parts = ['curl -i --http1.1 --path-as-is --globoff'];
  if (method === 'HEAD' && !body) parts.push('--head');
  else if (method !== 'GET' || body) parts.push(`-X ${shellArgument(method)}`);
  parts.push(shellArgument(origin[0] + target));
  const kept = lines.filter((line) => !(headerName(line) === 'content-length' && body.includes(REDACTED)));
  const names = new Set(lines.map(headerName));
  for (const line of kept) parts.push(`-H ${shellArgument(line.endsWith(':') ? `${line.slice(0, -1)};` : line)}`);
  for (const name of [...CURL_ADDS, ...(body ? CURL_ADDS_TO_BODIES : [])]) {
    if (!names.has(name.toLowerCase())) parts.push(`-H '${name}:'`);
  }
  if (body) parts.push(text === null ? '--data-binary @-' : `--data-raw ${shellQuoted(text)}`);
  const command = parts.join(' \\\n  ');
  return body && text === null ? `printf ${printfFormat(body)} | ${command}` : command;
}

function headerName(line) {
  return line.slice(0, line.indexOf(':')).toLowerCase();
}

// The bytes that a text of a report stands for: `\xHH` is one of them.
function wireBytes(text) {
  const encoder = new TextEncoder();
  return text.split(/(\\x[0-9a-f]{2})/).flatMap((part, n) => (
    n % 2 ? [parseInt(part.slice(2), 16)] : [...encoder.encode(part)]));
}

// As text that may stand in a shell's command line, or null when it can't.
function shellText(text) {
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    const found = decoder.decode(new Uint8Array(wireBytes(text)));
    return /[\x00-\x08\x0b-\x1f\x7f-\x9f]/.test(found) ? null : found;
  } catch {
    return null;
  }
}

function shellQuoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function shellArgument(text) {
  const found = shellText(text);
  return found === null ? `"$(printf ${printfFormat(text)})"` : shellQuoted(found);
}

function printfFormat(text) {
  return `'${wireBytes(text).map((byte) => (
    /[A-Za-z0-9 ,.:;=/_@{}"[\]()+*?&<>#!^~|$-]/.test(String.fromCharCode(byte)) && byte < 127
      ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`)).join('')}'`;
}
