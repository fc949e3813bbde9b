import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import amqp from 'amqplib'
import { build } from 'esbuild'
import { MongoClient } from 'mongodb'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { until } from '../integration/support/waiting.js'
import { type InstalledApp, installApp } from './installed-app.js'
import { asCommonJs, codeBlocks } from './readme.js'

const root = resolve(import.meta.dirname, '../..')
const run = promisify(execFile)

/** A guard against growth by accident, minified and compressed: the whole library without its peers. */
const SIZE_BUDGET_BYTES = 73_000

let app: InstalledApp

beforeAll(async () => {
  if (!existsSync(resolve(root, 'dist/index.js'))) await run('npm', ['run', 'build'], { cwd: root })
  app = await installApp()
}, 180_000)

afterAll(() => app?.remove())

describe('the packed package', () => {
  it('is well-formed in the eyes of publint', async () => {
    const { stdout } = await run('npx', ['publint', '--strict', app.tarball], { cwd: root })
    expect(stdout).toContain('All good!')
  })

  it('resolves its types for ES modules and CommonJS alike', async () => {
    // Exits with an error where a kind of resolution fails.
    await run('npx', ['attw', app.tarball, '--profile', 'node16'], { cwd: root })
  })

  it('compiles under NodeNext without skipping library checks, as an ES module and as CommonJS', async () => {
    const program = `import { createCdcPipeline, ChangeStreamSource, changeEventMessage, memoryCheckpointStore, RabbitPublisher } from 'mongo-rabbit-cdc'
interface Order { total: number }
const source = new ChangeStreamSource<Order>({ uri: 'mongodb://localhost' })
source.on('retry', ({ attempt }) => attempt.toFixed())
const sink = new RabbitPublisher({ url: 'amqp://localhost', queue: { name: 'q' } })
sink.on('blocked', ({ reason }) => reason.trim())
const pipeline = createCdcPipeline({ name: 'n', source, transform: changeEventMessage(), sink, checkpointStore: memoryCheckpointStore() })
pipeline.on('state', ({ to }) => to.trim())
// @ts-expect-error there is no such event
pipeline.on('nothing', () => undefined)
`
    app.write('esm.mts', program)
    app.write('cjs.cts', program)
    const options = { module: 'NodeNext', moduleResolution: 'NodeNext', target: 'ES2022', strict: true, noEmit: true }
    const lib = ['ES2022', 'ESNext.Disposable']
    const compilerOptions = { ...options, lib, types: ['node'], skipLibCheck: false }
    app.write('tsconfig.json', JSON.stringify({ compilerOptions, files: ['esm.mts', 'cjs.cts'] }))
    expect(await app.tool('tsc', '-p', 'tsconfig.json')).toBe('')
  })

  it('does nothing when it is imported: no handle, no listener, and neither peer is loaded', async () => {
    const program = (load: string): string => `(async () => {
const listeners = process.eventNames().length
${load}
const loaded = Object.keys(require.cache ?? {}).filter(path => /node_modules.(mongodb|amqplib)/.test(path))
console.log(JSON.stringify([process.getActiveResourcesInfo().filter(kind => !/Pipe|TTY/.test(kind)), process.eventNames().length - listeners, loaded]))
})()`
    app.write('import.cjs', program("require('mongo-rabbit-cdc')"))
    expect(JSON.parse((await app.node('import.cjs')).stdout)).toEqual([[], 0, []])
  })

  it('stays within its size budget', async () => {
    const result = await build({
      entryPoints: [resolve(root, 'dist/index.js')],
      bundle: true,
      minify: true,
      write: false,
      platform: 'node',
      format: 'esm',
      external: ['mongodb', 'amqplib'],
    })
    expect(gzipSync(result.outputFiles[0]?.contents ?? '').length).toBeLessThan(SIZE_BUDGET_BYTES)
  })

  it('names no registry host in the lock file, and has an entry for every platform of its tools', () => {
    const text = readFileSync(resolve(root, 'package-lock.json'), 'utf8')
    const lock = JSON.parse(text) as { packages: Record<string, { optionalDependencies?: Record<string, string> }> }
    expect(text).not.toMatch(/"resolved"/)
    for (const tool of ['rollup', 'rolldown', 'esbuild', '@biomejs/biome']) {
      const platforms = Object.keys(lock.packages[`node_modules/${tool}`]?.optionalDependencies ?? {})
      expect(platforms.length).toBeGreaterThan(5)
      expect(platforms.filter(name => lock.packages[`node_modules/${name}`] === undefined)).toEqual([])
    }
  })
})

it('is built by `npm pack` and `npm publish` themselves', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  expect([scripts.prepack, scripts.build]).toEqual([
    expect.stringMatching(/^npm run .*build$/),
    expect.stringContaining('tsup'),
  ])
})

describe('the README', () => {
  const [quickStart = '', transformTest = ''] = codeBlocks('README.md', 'js')

  it('opens with the quick start that ships as an example', () => {
    const example = resolve(app.folder, 'node_modules/mongo-rabbit-cdc/examples/quickstart/index.js')
    expect(readFileSync(example, 'utf8')).toBe(quickStart)
  })

  it.each([
    ['an ES module', 'quick-start.mjs', (program: string) => program],
    ['CommonJS', 'quick-start.cjs', asCommonJs],
  ])('has a quick start that runs from the tarball as %s', async (_, file, convert) => {
    const client = await new MongoClient(inject('mongoUri')).connect()
    const connection = await amqp.connect(inject('amqpUrl'))
    try {
      const checkpoints = client.db('cdc').collection<{ _id: string }>('checkpoints')
      await checkpoints.deleteOne({ _id: 'orders' })
      const channel = await connection.createChannel()
      app.write(file, convert(quickStart))
      const program = app.start(file, { MONGODB_URI: inject('mongoUri'), AMQP_URL: inject('amqpUrl') })
      await until(
        async () => (await checkpoints.findOne({ _id: 'orders' })) !== null,
        () => 'the first position of the program',
      )
      await client.db('shop').collection('orders').insertOne({ total: 12.5, file })
      let message: amqp.GetMessage | undefined
      await until(
        async () => {
          message = await pollQueue(connection, 'orders')
          return message !== undefined
        },
        () => 'a message in the queue',
      )
      expect(message?.fields.routingKey).toBe('shop.orders.insert')
      expect(JSON.parse(String(message?.content)).fullDocument).toMatchObject({ total: 12.5, file })
      expect(await program.stop()).toEqual({ code: 0, stderr: '' })
      await channel.deleteQueue('orders')
      await channel.deleteExchange('cdc')
    } finally {
      await client.db('shop').dropDatabase()
      await connection.close()
      await client.close()
    }
  })

  it('has a transform test that prints what it says', async () => {
    app.write('transform.mjs', transformTest)
    const said = /console\.log\(.*\/\/ (.*)$/m.exec(transformTest)?.[1]
    expect((await app.node('transform.mjs')).stdout.trim()).toBe(said)
  })
})

/** A message of the queue, or `undefined` while there is none, or not even the queue. */
async function pollQueue(connection: amqp.ChannelModel, queue: string): Promise<amqp.GetMessage | undefined> {
  const channel = await connection.createChannel()
  channel.on('error', () => undefined) // 404 while the publisher hasn't asserted it
  try {
    const message = await channel.get(queue, { noAck: true })
    await channel.close()
    return message || undefined
  } catch {
    return undefined
  }
}
