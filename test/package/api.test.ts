import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { extract, reports } from '../../scripts/api/report.mjs'

const root = resolve(import.meta.dirname, '../..')

beforeAll(async () => {
  if (!existsSync(resolve(root, 'dist/index.d.ts'))) await promisify(execFile)('npm', ['run', 'build'], { cwd: root })
}, 180_000)

describe('the public API', () => {
  it.each(reports)('is what $report says, so that no change of it goes unseen', entry => {
    const hint = `${entry.report} differs from the build: run \`npm run api\`, and look at the diff`
    expect(extract(entry), hint).toBe(readFileSync(resolve(root, entry.report), 'utf8'))
  })
})
