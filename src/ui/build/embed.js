// What the server serves: every file in three encodings beside each other, and a table of them that the server's
// source includes. Compressed here, once and as small as it gets, so that the server neither compresses nor caches.
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const dist = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist')

const TYPES = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  png: 'image/png',
  webmanifest: 'application/manifest+json',
}

function files(directory) {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    return entry.isDirectory() ? files(path) : [path]
  })
}

/** The service worker keeps exactly the files of its version, and is another one when any of them is. */
function fillWorker() {
  const kept = files(dist).map(nameOf).filter((name) => typeOf(name) && name !== 'sw.js' && name !== 'index.html').sort()
  const digest = createHash('sha256')
  for (const name of [...kept, 'index.html', 'sw.js']) digest.update(name).update(readFileSync(join(dist, name)))
  const worker = join(dist, 'sw.js')
  const filled = readFileSync(worker, 'utf8')
    .replace("'{{version}}'", JSON.stringify(digest.digest('hex').slice(0, 12)))
    .replace("['{{files}}']", JSON.stringify(kept))
  if (filled.includes('{{')) throw new Error('sw.js has a place that was not filled in')
  writeFileSync(worker, filled)
}

function nameOf(path) {
  return relative(dist, path).replaceAll('\\', '/')
}

function typeOf(name) {
  return name.startsWith('.') ? undefined : TYPES[name.split('.').pop()]
}

fillWorker()
const rows = []
const weights = { raw: 0, gzip: 0, brotli: 0 }
for (const path of files(dist).sort()) {
  const name = nameOf(path)
  const type = typeOf(name)
  if (!type) continue
  const bytes = readFileSync(path)
  const brotli = brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  })
  const gzip = gzipSync(bytes, { level: 9 })
  writeFileSync(`${path}.br`, brotli)
  writeFileSync(`${path}.gz`, gzip)
  const etag = createHash('sha256').update(bytes).digest('hex').slice(0, 32)
  // Names of files with a digest never mean anything else.
  const immutable = name.startsWith('assets/')
  rows.push(
    `    Asset { path: "${name}", media_type: "${type}", etag: "${etag}", immutable: ${immutable}, ` +
      `plain: include_bytes!("${name}"), gzip: include_bytes!("${name}.gz"), brotli: include_bytes!("${name}.br") },`,
  )
  console.log(`${name.padEnd(44)} ${kib(bytes.length)} raw ${kib(gzip.length)} gzip ${kib(brotli.length)} brotli`)
  weights.raw += bytes.length
  weights.gzip += gzip.length
  weights.brotli += brotli.length
}
console.log(`${'all'.padEnd(44)} ${kib(weights.raw)} raw ${kib(weights.gzip)} gzip ${kib(weights.brotli)} brotli`)
rmSync(join(dist, 'embedded.in'), { force: true })
writeFileSync(join(dist, 'embedded.in'), `&[\n${rows.join('\n')}\n]\n`)

function kib(bytes) {
  return `${(bytes / 1024).toFixed(1).padStart(7)} KiB`
}
