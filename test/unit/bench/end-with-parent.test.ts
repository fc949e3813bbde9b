import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test, vi } from 'vitest'
import { accepts } from '../../../scripts/services/wait.mjs'

const TOLD = new URL('../../../bench/contenders/told.mjs', import.meta.url).href
const JOBS = new URL('../../../bench/jobs.mjs', import.meta.url).href

test('The counting broker ends with the process that started it, however that ends', async () => {
  const program = `
    import { countingBroker } from '${JOBS}'
    console.log((await countingBroker()).url)
    setInterval(() => {}, 60_000)`
  const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string]
  const port = Number(new URL(line.trim()).port)
  expect(await accepts(port)).toBe(true)

  parent.kill('SIGKILL')

  await vi.waitFor(async () => expect(await accepts(port)).toBe(false), { timeout: 10_000 })
})

test('A contender ends when its input closes, as it does when the runner ends', async () => {
  const program = `import '${TOLD}'; console.log('ready'); setInterval(() => {}, 60_000)`
  const contender = spawn(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...process.env, BENCH: '{}' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(contender.stdout, 'data')
  expect(contender.exitCode).toBeNull()
  const ended = once(contender, 'exit')
  contender.stdin.end()
  expect(await ended).toEqual([0, null])
})
