import { readFileSync } from 'node:fs'
import type { ChangeStreamDocument } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { changeEventMessage } from '../../../src/message/change-event-message.js'
import { cloudEventMessage } from '../../../src/message/cloud-event-message.js'
import { debeziumMessage } from '../../../src/message/debezium-message.js'
import { documentMessage } from '../../../src/message/document-message.js'
import type { RabbitMessage } from '../../../src/types.js'
import * as events from './events.js'

const page = readFileSync(new URL('../../../docs/messages.md', import.meta.url), 'utf8')

/** The JSON block below this heading. */
function printedUnder(heading: string): unknown {
  const section = page.split(`\n### ${heading}\n`)[1] ?? ''
  return JSON.parse(section.split('```json\n')[1]?.split('```')[0] ?? 'null')
}
/** The options that a factory itself names when it refuses one that does not exist. */
function optionsOf(make: () => unknown): string[] {
  try {
    make()
  } catch (error) {
    return (error as Error).message.split('expected one of ')[1]?.split(', ') ?? []
  }
  return []
}
const parsed = (message: RabbitMessage | null) => message && JSON.parse(Buffer.from(message.body).toString())

describe('docs/messages.md prints what is really sent', () => {
  it.each([
    ['insert', events.insertEvent],
    ['update', events.updateEvent],
    ['replace', events.replaceEvent],
    ['delete', events.deleteEvent],
    ['drop', events.dropEvent],
    ['rename', events.renameEvent],
    ['dropDatabase', events.dropDatabaseEvent],
    ['invalidate', events.invalidateEvent],
    ['createIndexes', events.createIndexesEvent],
    ['insert in a transaction', events.transactionEvent],
  ] satisfies [string, ChangeStreamDocument][])('changeEventMessage: %s', (heading, event) => {
    expect(printedUnder(`changeEventMessage: ${heading}`)).toEqual(parsed(changeEventMessage()(event)))
  })

  it('changeEventMessage: insert, canonical', () => {
    const message = changeEventMessage({ ejson: 'canonical' })(events.transactionEvent)
    expect(printedUnder('changeEventMessage: insert, canonical')).toEqual(parsed(message))
  })

  it.each([
    ['insert', events.insertEvent],
    ['update', events.updateEvent],
    ['replace', events.replaceEvent],
    ['delete', events.deleteEvent],
  ] satisfies [string, ChangeStreamDocument][])('documentMessage: %s', (heading, event) => {
    expect(printedUnder(`documentMessage: ${heading}`)).toEqual(parsed(documentMessage()(event)))
  })

  it.each([
    ['insert', events.insertEvent],
    ['update', events.updateEvent],
    ['replace', events.replaceEvent],
    ['delete', events.deleteEvent],
    ['insert in a transaction', events.transactionEvent],
  ] satisfies [string, ChangeStreamDocument][])('debeziumMessage: %s', (heading, event) => {
    const message = debeziumMessage({ name: 'shop' })(event) as RabbitMessage
    const sent = { ...(parsed(message) as object), ts_ms: 1701175488500 } // the clock of this process
    expect(JSON.stringify(printedUnder(`debeziumMessage: ${heading}`))).toBe(JSON.stringify(sent))
  })

  it.each([
    ['insert', events.insertEvent],
    ['update', events.updateEvent],
    ['replace', events.replaceEvent],
    ['delete', events.deleteEvent],
    ['invalidate', events.invalidateEvent],
  ] satisfies [string, ChangeStreamDocument][])('cloudEventMessage: %s, structured', (heading, event) => {
    const sent = parsed(cloudEventMessage({ mode: 'structured' })(event))
    expect(JSON.stringify(printedUnder(`cloudEventMessage: ${heading}, structured`))).toBe(JSON.stringify(sent))
  })

  it('cloudEventMessage: insert, binary, headers', () => {
    const { headers = {} } = cloudEventMessage()(events.insertEvent)
    const own = Object.entries(headers).filter(([name]) => name.startsWith('cloudEvents_'))
    expect(printedUnder('cloudEventMessage: insert, binary, headers')).toEqual(Object.fromEntries(own))
  })

  it.each([
    ['changeEventMessage', changeEventMessage],
    ['documentMessage', documentMessage],
    ['debeziumMessage', debeziumMessage],
    ['cloudEventMessage', cloudEventMessage],
  ] as const)('every option that %s takes', (_, shape) => {
    const accepted = optionsOf(() => shape({ nonsense: 1 } as never))
    expect(accepted).toContain('routingKey')
    expect(accepted.filter(name => !page.includes(`| \`${name}\` |`) && !page.includes(`\`${name}\` says`))).toEqual([])
  })
})
