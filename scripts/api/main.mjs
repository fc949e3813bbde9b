// `npm run api`: writes the reports of the public API into etc/.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { extract, reports } from './report.mjs'

const root = resolve(import.meta.dirname, '../..')

for (const entry of reports) {
  const path = resolve(root, entry.report)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, extract(entry))
  console.log(entry.report)
}
