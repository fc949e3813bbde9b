// What the build exports, as text that is committed: a change of the public API shows in a diff.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'

const { Extractor, ExtractorConfig } = createRequire(import.meta.url)('@microsoft/api-extractor')
const root = resolve(import.meta.dirname, '../..')

/**
 * The reports: one per entry of the package.
 * @type {readonly { readonly types: string, readonly report: string }[]}
 */
export const reports = [
  { types: 'dist/index.d.ts', report: 'etc/mongo-rabbit-cdc.api.md' },
  { types: 'dist/testing.d.ts', report: 'etc/testing.api.md' },
]

/**
 * The report of one entry as the build says it now. Throws when the types can't be read.
 * @param {{ readonly types: string, readonly report: string }} entry
 * @returns {string}
 */
export function extract({ types, report }) {
  const folder = mkdtempSync(join(tmpdir(), 'mrc-api-'))
  try {
    const config = ExtractorConfig.prepare({
      configObject: configuration(resolve(root, types), folder, basename(report)),
      configObjectFullPath: undefined,
      packageJsonFullPath: resolve(root, 'package.json'),
    })
    /** @type {string[]} */
    const errors = []
    const messageCallback = (/** @type {any} */ message) => {
      message.handled = true // the library prints to the console otherwise
      if (message.logLevel === 'error') errors.push(message.text)
    }
    const { succeeded } = Extractor.invoke(config, { localBuild: true, messageCallback })
    if (!succeeded) throw new Error(`Expected a report of ${types}, got: ${errors.join('; ')}`)
    return readFileSync(join(folder, basename(report)), 'utf8')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * @param {string} types
 * @param {string} folder
 * @param {string} reportFileName
 */
function configuration(types, folder, reportFileName) {
  const quiet = { default: { logLevel: 'none' } }
  return {
    projectFolder: root,
    mainEntryPointFilePath: types,
    newlineKind: 'lf',
    compiler: { tsconfigFilePath: resolve(root, 'tsconfig.json'), skipLibCheck: true },
    apiReport: {
      enabled: true,
      reportFileName,
      reportFolder: folder,
      reportTempFolder: join(folder, 'temp'),
      // What an exported signature names is part of it, also where it has no export of its own.
      includeForgottenExports: true,
    },
    docModel: { enabled: false },
    dtsRollup: { enabled: false },
    tsdocMetadata: { enabled: false },
    // The comments are not written in TSDoc's dialect, and have a test of their own.
    messages: {
      compilerMessageReporting: { default: { logLevel: 'error' } },
      extractorMessageReporting: quiet,
      tsdocMessageReporting: quiet,
    },
  }
}
