import { execFile } from 'node:child_process'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type InstalledApp, installApp } from './installed-app.js'

const root = resolve(import.meta.dirname, '../..')
const run = promisify(execFile)

let app: InstalledApp
beforeAll(async () => {
  // Without the peers: transforms are tested without a driver or a broker.
  app = await installApp({ peers: [] })
}, 180_000)
afterAll(() => app?.remove())

/** The test of a user, but for its first lines. */
const BODY = `
test('the transform keeps paid orders', async () => {
  const transform = pipe(onlyOperations('insert'), filter(event => event.fullDocument.paid), documentMessage())
  const events = changeEvents()
  const [message] = await runTransform(transform, events.insert({ _id: 7, paid: true }))
  assert.deepEqual(bodyOf(message), { paid: true, type: 'orders', entry_id: '7' })
  assert.deepEqual(await runTransform(transform, events.insert({ _id: 8, paid: false })), [])
})

test('the pipeline delivers what the transform makes', async () => {
  const sink = collectingSink({ answer: (message, delivery, attempt) => (attempt === 1 ? 'nack' : 'ack') })
  const clock = fakeClock()
  const source = arraySource([changeEvents().insert({ _id: 1 })])
  const checkpointStore = memoryCheckpointStore()
  const pipeline = createCdcPipeline({ name: 't', source, transform: documentMessage(), sink, checkpointStore })
  const done = pipeline.run()
  await clock.advance(1000)
  clock.restore()
  await done
  assert.equal(sink.messages.length, 1)
})

for (const { name, run } of checkpointStoreContract(() => ({ store: memoryCheckpointStore() }))) test(name, run)
`
const LIBRARY = '{ createCdcPipeline, documentMessage, filter, memoryCheckpointStore, onlyOperations, pipe }'
const KIT = '{ arraySource, bodyOf, changeEvents, checkpointStoreContract, collectingSink, fakeClock, runTransform }'
const asModule = `import assert from 'node:assert/strict'
import ${LIBRARY} from 'mongo-rabbit-cdc'
import ${KIT} from 'mongo-rabbit-cdc/testing'
`
const asCommonJs = `const assert = require('node:assert/strict')
const ${LIBRARY} = require('mongo-rabbit-cdc')
const ${KIT} = require('mongo-rabbit-cdc/testing')
`
/** Of the contract of stores, and the two above. */
const TESTS = 22

describe('the testing kit, installed from the tarball without its peers,', () => {
  it('works in vitest', async () => {
    app.write('kit.test.mjs', `import { test } from 'vitest'\n${asModule}${BODY}`)
    app.write('vitest.config.mjs', 'export default {}')
    const vitest = join(root, 'node_modules/vitest/vitest.mjs')
    const { stdout } = await run(process.execPath, [vitest, 'run', '--root', app.folder, 'kit.test.mjs'], {
      cwd: root,
      env: { ...process.env, NO_COLOR: '1' },
    })
    expect(stdout).toMatch(new RegExp(`Tests +${TESTS} passed`))
  })

  it('works in Jest, with CommonJS', async () => {
    app.write('kit.jest.cjs', `${asCommonJs}${BODY}`)
    app.write('jest.config.json', JSON.stringify({ testMatch: ['**/kit.jest.cjs'], transform: {} }))
    const jest = join(root, 'node_modules/jest/bin/jest.js')
    const { stderr } = await run(process.execPath, [jest, '--rootDir', app.folder, '--config', 'jest.config.json'], {
      cwd: app.folder,
    })
    expect(stderr).toMatch(new RegExp(`Tests: +${TESTS} passed, ${TESTS} total`))
  })

  it('works in node:test', async () => {
    app.write('kit.node.mjs', `import { test } from 'node:test'\n${asModule}${BODY}`)
    const { stdout } = await run(process.execPath, ['--test', '--test-reporter=tap', 'kit.node.mjs'], {
      cwd: app.folder,
    })
    expect(stdout).toContain(`# pass ${TESTS}`)
    expect(stdout).toContain('# fail 0')
  })
})
