import { inspect } from 'node:util'
import { expect, it } from 'vitest'
import { closeOwnClient, loadMongo, openOwnClient } from '../../src/mongo-client.js'
import { ChangeStreamSource } from '../../src/source/change-stream-source.js'

const SECRET = 's3cr3t'

/** Everything that a log could show of a value, hidden properties and causes included. */
function shown(value: unknown): string {
  const causes: unknown[] = []
  for (let cause = value; cause instanceof Error; cause = cause.cause) causes.push(cause.message, cause.stack)
  return inspect([value, ...causes], { depth: 12, showHidden: true })
}

it.each([
  `mongodb://user:${SECRET}@127.0.0.1:1/?replicaSet=rs0`,
  `mongodb://user:${SECRET}%40x@127.0.0.1:1`,
  `mongodb://user:${SECRET}%40@a:1,b:2,c:3/db?replicaSet=rs0`,
  `mongodb+srv://user:${SECRET}@cluster.invalid/db`,
  `mongodb://user:${SECRET}@127.0.0.1:1/?authMechanism=PLAIN&authMechanismProperties=SERVICE_NAME:${SECRET}`,
])('shows nothing of the connection string number %#, neither in the source nor in its health', async uri => {
  const source = new ChangeStreamSource({ uri, database: 'shop' })
  const opening = openOwnClient(uri)
  expect(shown(source)).not.toContain(SECRET)
  expect(JSON.stringify(source)).not.toContain(SECRET)
  expect(shown(source.health())).not.toContain(SECRET)
  await opening.catch((error: unknown) => expect(shown(error)).not.toContain(SECRET))
  await closeOwnClient(opening)
})

it.each([
  `mongodb://user:${SECRET}@`,
  `mongodb://user:${SECRET}@host:notaport`,
  `mongodb://user:p@${SECRET}@host`,
  `mongodb://user:${SECRET}/@host`,
  `mongodb://user:${SECRET}%zz@host`,
  `mongodb://user:${SECRET}@host/?unknownOption=${SECRET}`,
  `mongodb://user:${SECRET}@host/?tls=${SECRET}`,
  `mongodb://user:${SECRET}@host/?w=1&authMechanism=${SECRET}`,
  `mongodb://user:${SECRET}@host/?replicaSet=a&directConnection=${SECRET}`,
  `mongodb://user:${SECRET}@host/?authMechanism=MONGODB-X509`,
  `mongodb://user:${SECRET}@host/?readPreferenceTags=${SECRET}`,
  `mongodb://user:${SECRET}@host/?maxPoolSize=${SECRET}`,
  `mongodb://user:${SECRET}@host/?compressors=${SECRET}`,
  `mongodb+srv://user:${SECRET}@a.b.c:1`,
  `mongodb+srv://user:${SECRET}@a.b.c,d.e.f`,
  `postgres://user:${SECRET}@host`,
  `user:${SECRET}@host`,
  SECRET,
])('refuses the broken connection string number %# without a word of its password', async uri => {
  const source = new ChangeStreamSource({ uri, database: 'shop' })
  const told: unknown[] = []
  source.on('retry', retry => told.push(retry))
  const signal = AbortSignal.timeout(100)
  const error: unknown = await source.startPosition({ signal }).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'CDC_OPTION_INVALID', message: expect.stringContaining('`uri`') })
  for (const value of [error, told, source, source.health()]) expect(shown(value)).not.toContain(SECRET)
  await source.close()
})

it('closes nothing twice, and nothing that was never opened', async () => {
  const source = new ChangeStreamSource({ uri: 'mongodb://127.0.0.1:1', database: 'shop' })
  await source.close()
  await source.close()
})

it.each(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'])(
  'says what is missing when mongodb is not installed: %s',
  async code => {
    const error = Object.assign(new Error("Cannot find package 'mongodb' imported from /app"), { code })
    await expect(loadMongo(() => Promise.reject(error))).rejects.toMatchObject({
      name: 'OptionsError',
      code: 'CDC_OPTION_INVALID',
      hint: 'install mongodb beside this package: npm install mongodb',
      cause: error,
    })
  },
)

it('takes no other fault of mongodb for a missing one', async () => {
  const broken = new SyntaxError('Unexpected token')
  await expect(loadMongo(() => Promise.reject(broken))).rejects.toBe(broken)
})
