import { execFile } from 'node:child_process'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { MAX_ROUNDS, SLACK, verdictOf } from '../../../bench/verdict.mjs'

const root = resolve(import.meta.dirname, '../../..')
const rounds = (count: number, ratio: number): number[] => Array.from({ length: count }, () => ratio)

it('an event costs no more of the processor than when that was recorded, with generous slack', async () => {
  const run = promisify(execFile)(process.execPath, [join(root, 'bench/guard.mjs')], { cwd: root })
  // The words say what to do; a code alone doesn't.
  const { stdout } = await run.catch(error => error as { stdout: string; stderr: string })
  expect(stdout).toMatch(/: ok$/m)
}, 120_000)

describe('the verdict', () => {
  it('is that nothing has become slower, while the median stays within the slack', () => {
    expect(verdictOf(rounds(10, 1), 1)).toBe('ok')
    expect(verdictOf(rounds(10, SLACK - 0.01), 1)).toBe('ok')
    expect(verdictOf([...rounds(6, 1), ...rounds(5, 9)], 1)).toBe('ok')
  })

  it('waits for more rounds before it says that something has', () => {
    expect(verdictOf(rounds(3, 1), 1)).toBeUndefined()
    expect(verdictOf(rounds(MAX_ROUNDS - 1, 2), 1)).toBeUndefined()
    expect(verdictOf(rounds(MAX_ROUNDS, 2), 1)).toBe('slower')
  })
})
