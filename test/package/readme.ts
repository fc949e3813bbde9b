import { readFileSync } from 'node:fs'

/** The code blocks of a Markdown file in this language, in order. */
export function codeBlocks(file: string, language: string): string[] {
  const text = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(match => match[1] ?? '')
}

/** An ES module program as CommonJS: imports become `require`, the rest runs in an async function. */
export function asCommonJs(program: string): string {
  const imports: string[] = []
  const rest = program.replace(/^import \{([^}]*)\} from '([^']+)'\n/gm, (_, names: string, from: string) => {
    imports.push(`const {${names}} = require('${from}')`)
    return ''
  })
  return `${imports.join('\n')}\n;(async () => {\n${rest}\n})()\n`
}
