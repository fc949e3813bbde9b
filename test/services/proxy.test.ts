import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type TcpProxy, tcpProxy } from '../../scripts/services/index.mjs'

describe('The TCP proxy', () => {
  let server: Server
  let accepted: Socket[]
  let received: string
  let proxy: TcpProxy
  let client: Socket

  beforeEach(async () => {
    accepted = []
    received = ''
    server = createServer(socket => {
      accepted.push(socket)
      socket.on('error', () => {})
      socket.on('data', data => {
        received += data
        socket.write(`echo ${data}`)
      })
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    proxy = await tcpProxy(typeof address === 'object' && address ? address.port : 0)
    client = connect(proxy.port, '127.0.0.1').setEncoding('utf8')
    client.on('error', () => {})
    client.write('one')
    expect(await next(client)).toBe('echo one')
  })
  afterEach(async () => {
    client.destroy()
    for (const socket of accepted) socket.destroy()
    await proxy.close()
    server.close()
  })

  test('forwards nothing in a hole, keeps the sockets open, and delivers what was held back afterwards', async () => {
    proxy.mode = 'hole'
    client.write('two')
    // The server sends on its own meanwhile: neither direction gets through.
    accepted[0]!.write('unasked')
    expect(await Promise.race([next(client), roundTrips()])).toBe('quiet')
    expect(received).toBe('one')
    expect([client.destroyed, accepted[0]!.destroyed]).toEqual([false, false])

    proxy.mode = 'pass'
    let text = ''
    while (!text.includes('echo two')) text += await next(client)
    expect(text).toBe('unaskedecho two')
  })

  test('hides the end of the server in a hole', async () => {
    proxy.mode = 'hole'
    accepted[0]!.destroy()
    expect(await Promise.race([once(client, 'close'), roundTrips()])).toBe('quiet')
    proxy.mode = 'pass'
    await once(client, 'close')
  })

  test('drops replies only', async () => {
    proxy.mode = 'drop-replies'
    const reply = next(client)
    client.write('two')
    await once(accepted[0]!, 'data')
    expect(await Promise.race([reply, roundTrips()])).toBe('quiet')
    expect(received).toBe('onetwo')
  })

  test('resets every client connection', async () => {
    proxy.reset()
    const [error] = await once(client, 'error').catch(thrown => [thrown])
    expect(error).toMatchObject({ code: 'ECONNRESET' })
  })

  test('passes the end of either side on', async () => {
    const ended = once(accepted[0]!, 'end')
    client.end()
    await ended
    await once(client, 'close')
  })

  test('refuses new clients like a server that is down once its target is gone', async () => {
    for (const socket of accepted) socket.destroy()
    await new Promise(resolve => server.close(resolve))
    const late = connect(proxy.port, '127.0.0.1')
    const [error] = await once(late, 'error').catch(thrown => [thrown])
    expect(error).toMatchObject({ code: 'ECONNRESET' })
  })

  /** Some trips through the same event loop and kernel: time enough for anything that gets through at all. */
  async function roundTrips(): Promise<'quiet'> {
    const target = createServer(socket => socket.pipe(socket))
    await new Promise<void>(resolve => target.listen(0, '127.0.0.1', resolve))
    const address = target.address()
    const socket = connect(typeof address === 'object' && address ? address.port : 0, '127.0.0.1')
    for (let trip = 0; trip < 20; trip++) {
      socket.write('x')
      await once(socket, 'data')
    }
    socket.destroy()
    target.close()
    return 'quiet'
  }
})

async function next(socket: Socket): Promise<string> {
  const [text] = await once(socket, 'data')
  return String(text)
}
