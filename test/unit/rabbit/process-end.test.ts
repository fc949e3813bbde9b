import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

// A peer that takes connections and says nothing.
let silent: Server
let port = 0
let library = ''

beforeAll(async () => {
  silent = createServer(socket => socket.on('error', () => {})).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  port = (silent.address() as AddressInfo).port
  const bundle = buildSync({
    entryPoints: ['src/rabbit/rabbit-publisher.ts'],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    external: ['amqplib'],
  })
  library = bundle.outputFiles[0]?.text ?? ''
})

afterAll(() => {
  silent.close()
})

/** Runs the code with `RabbitPublisher` in a process of its own until that ends by itself; tells it when it has connected. */
async function run(code: string, cwd: string = process.cwd()) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', library + code], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const tell = (): void => void child.send('connected')
  silent.once('connection', tell)
  let output = ''
  child.stdout?.on('data', chunk => {
    output += chunk
  })
  child.stderr?.on('data', chunk => {
    output += chunk
  })
  const [exitCode] = await once(child, 'close')
  silent.off('connection', tell)
  return { exitCode, output: output.trim() }
}

describe('the end of the process', () => {
  it('is no crash when open is given up at once and the broker is away', async () => {
    const { exitCode, output } = await run(`
      const controller = new AbortController()
      const publisher = new RabbitPublisher({ url: 'amqp://127.0.0.1:1' })
      const opening = publisher.open({ signal: controller.signal }).catch(error => console.log(error.message))
      controller.abort(new Error('stop'))
      await opening
      await publisher.close()`)
    expect({ exitCode, output }).toEqual({ exitCode: 0, output: 'stop' })
  })

  it.each(['amqp', 'amqps'])('is not held up by an attempt to connect over %s', async protocol => {
    const { exitCode, output } = await run(`
      const publisher = new RabbitPublisher({ url: '${protocol}://127.0.0.1:${port}' })
      const opening = publisher.open().catch(error => console.log(error.code))
      await new Promise(resolve => process.once('message', resolve))
      const since = performance.now()
      process.on('exit', () => console.log(performance.now() - since < 2_000))
      await publisher.close()
      await opening`)
    expect({ exitCode, output }).toEqual({ exitCode: 0, output: 'CDC_PUBLISHER_CLOSED\ntrue' })
  })

  it('comes with a clear reason when amqplib is missing', async () => {
    const empty = mkdtempSync(join(tmpdir(), 'cdc-no-amqplib-'))
    try {
      const { output } = await run(
        `await new RabbitPublisher({ url: 'amqp://127.0.0.1:1' }).open().catch(error => console.log(error.code))`,
        empty,
      )
      expect(output).toBe('CDC_OPTION_INVALID')
    } finally {
      rmSync(empty, { recursive: true })
    }
  })
})
