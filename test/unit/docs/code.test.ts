import { join } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { pages, read, root } from './pages.js'

interface Block {
  readonly page: string
  readonly language: 'js' | 'ts'
  readonly line: number
  readonly text: string
  /** A file that exists in memory only, so that imports are looked up as from a file of the repository. */
  readonly file: string
}

const folder = join(root, 'docs', '.code')
const blocks: readonly Block[] = pages.flatMap(blocksOf)

function blocksOf(page: string): Block[] {
  const text = read(page)
  return [...text.matchAll(/^```(js|ts|javascript|typescript)\n(.*?)^```$/gms)].map(match => {
    const line = text.slice(0, match.index).split('\n').length + 1
    const code = match[2] ?? ''
    // `// transform.js` in the first line names a block, so that later ones of its page can import it.
    const name = /^\/\/ ([\w.-]+)\.js\n/.exec(code)?.[1]
    const file = join(folder, page.replace(/\W/g, '-'), name === undefined ? `${line}.mts` : `${name}.ts`)
    return { page, language: match[1]?.startsWith('t') ? 'ts' : 'js', line, text: code, file }
  })
}

/** The compiler's view of the repository, with the blocks as further files; parses each file once for all programs. */
function host(options: ts.CompilerOptions): ts.CompilerHost {
  const real = ts.createCompilerHost(options)
  const texts = new Map(blocks.map(block => [block.file, block.text]))
  return {
    ...real,
    directoryExists: path => path.startsWith(folder) || (real.directoryExists?.(path) ?? true),
    fileExists: path => texts.has(path) || real.fileExists(path),
    readFile: path => texts.get(path) ?? real.readFile(path),
    getSourceFile: (path, ...rest) => {
      const text = texts.get(path)
      if (text !== undefined) return ts.createSourceFile(path, text, rest[0])
      if (!parsed.has(path)) parsed.set(path, real.getSourceFile(path, ...rest))
      return parsed.get(path)
    },
  }
}
const parsed = new Map<string, ts.SourceFile | undefined>()

/** What the compiler finds wrong: an import that isn't exported, an option that doesn't exist, a wrong type. */
function problemsOf(language: Block['language'], exactOptionalPropertyTypes: boolean): string[] {
  const ofLanguage = blocks.filter(block => block.language === language)
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2022.d.ts', 'lib.esnext.disposable.d.ts'],
    types: ['node'],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    moduleDetection: ts.ModuleDetectionKind.Force,
    // JavaScript is checked as far as types can be inferred.
    strict: language === 'ts',
    exactOptionalPropertyTypes,
    skipLibCheck: true,
    noEmit: true,
    paths: {
      'mongo-rabbit-cdc': [join(root, 'src/index.ts')],
      'mongo-rabbit-cdc/testing': [join(root, 'src/testing/index.ts')],
    },
    typeRoots: [join(root, 'node_modules/@types')],
  }
  const program = ts.createProgram({
    rootNames: ofLanguage.map(block => block.file),
    options,
    host: host(options),
  })
  return ofLanguage.flatMap(block => {
    const source = program.getSourceFile(block.file)
    const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
    return found.flatMap(({ start = 0, messageText }) => {
      const line = block.line + (source?.getLineAndCharacterOfPosition(start).line ?? 0)
      const text = ts.flattenDiagnosticMessageText(messageText, ' ')
      // Without a schema the driver's types take every `_id` for an ObjectId, which JavaScript doesn't care about.
      if (block.language === 'js' && text.endsWith("is not assignable to type 'ObjectId'.")) return []
      return [`${block.page}:${line}: ${text}`]
    })
  })
}

describe('the code in the docs', () => {
  it('is there', () => {
    expect(new Set(blocks.map(block => block.page)).size).toBeGreaterThan(4)
  })

  it.each([
    ['ts, strict and with exact optional properties', 'ts', true],
    ['ts, strict', 'ts', false],
    ['js', 'js', false],
  ] as const)('compiles against the exports of src/index.ts: %s', (_, language, exact) => {
    expect(problemsOf(language, exact)).toEqual([])
  })
})
