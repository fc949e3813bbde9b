import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root } from './docs/pages.js'

const commands = ['services', 'demo', 'test:faults', 'test:checker', 'test:soak', 'test:fuzz', 'bench', 'bench:guard']
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** As npm would, without the scripts that run before. */
function run(command: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const [, ...rest] = String(scripts[command]).split(' ')
  return spawnSync(process.execPath, [...rest, ...args], { cwd: root, encoding: 'utf8', timeout: 60_000 })
}

it.each(commands)('npm run %s answers a misspelt flag with its name and the usage, and does nothing', command => {
  const { status, stdout, stderr } = run(command, '--sed', '7')
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  expect(stderr).toMatch(/^Unknown option '--sed'\nUsage: npm run .+\n$/)
  expect(stderr).toContain(`Usage: npm run ${command} [-- `)
})

it('--help is answered with the usage', () => {
  const { status, stdout, stderr } = run('services', '--help')
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: expect.stringMatching(/^Usage: .+\n$/), stderr: '' })
})

it('a value out of range is answered with the usage, too', () => {
  expect(run('test:faults', '--minutes', '0').stderr).toMatch(/^Expected `--minutes` to be .+, got 0\nUsage: /)
  expect(run('test:checker', 'no such bug').stderr).toMatch(/^Expected a part of one of these: no bug, .+\nUsage: /)
  expect(run('services', '--nodes', '2').stderr).toMatch(/^Expected `--nodes` to be 1 or 3, got 2\nUsage: /)
  expect(run('bench', '--only', 'x').stderr).toMatch(/^Expected `--only` to name some of .+, got x\nUsage: /)
  expect(run('test:soak', '--minutes', 'x').stderr).toMatch(/^Expected `--minutes` to be .+, got x\nUsage: /)
})
