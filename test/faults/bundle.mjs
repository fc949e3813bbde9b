// TypeScript for Node 20: one file per program, from the sources as they are now, with a bug planted where one is asked for.
import { createHash } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const folder = dirname(fileURLToPath(import.meta.url))
const root = join(folder, '../..')
// In here the programs find the packages that they import. Two checkouts may share them by a link.
const checkout = createHash('sha256').update(root).digest('hex').slice(0, 8)
const cache = join(root, 'node_modules/.cache/mongo-rabbit-cdc')
/** @type {string[]} */
const outfiles = []

/**
 * @param {string} program  a file, as seen from this folder, without `.ts`
 * @param {{ file: string, snippet: string, instead: string }} [bug]
 * @returns {Promise<string>} the file to run, which goes away with this process
 */
export async function bundle(program, bug) {
  const outfile = join(cache, `${basename(program)}-${checkout}-${process.pid}-${outfiles.length}.mjs`)
  if (outfiles.length === 0) process.once('exit', removeAll)
  outfiles.push(outfile)
  await build({
    entryPoints: [join(folder, `${program}.ts`)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'error',
    plugins: bug ? [planting(bug)] : [],
  })
  return outfile
}

function removeAll() {
  for (const file of outfiles) rmSync(file, { force: true })
}

/**
 * @param {{ file: string, snippet: string, instead: string }} bug
 * @returns {import('esbuild').Plugin}
 */
function planting({ file, snippet, instead }) {
  const path = join(root, file)
  const found = readFileSync(path, 'utf8').split(snippet).length - 1
  if (found !== 1) throw new Error(`Expected this once in ${file}, found it ${found} times:\n${snippet}`)
  return {
    name: 'plant-a-bug',
    setup(builder) {
      builder.onLoad({ filter: /\.ts$/ }, ({ path: loaded }) => {
        if (loaded !== path) return undefined
        return { contents: readFileSync(path, 'utf8').replace(snippet, () => instead), loader: 'ts' }
      })
    },
  }
}
