import type { Document, MongoClient } from 'mongodb'
import { expect, it } from 'vitest'
import { timeSeriesIn } from '../../../src/source/unwatchable.js'
import { resolved } from './support.js'

/** A server with these time-series collections, which it lists two at a time; counts its open cursors. */
function serverWith(...names: string[]) {
  const seen = { open: 0, filters: [] as Document[], options: [] as Document[] }
  async function* batches(): AsyncGenerator<{ name: string }[], void, undefined> {
    seen.open += 1
    for (let i = 0; i < names.length; i += 2) yield names.slice(i, i + 2).map(name => ({ name }))
    seen.open -= 1
  }
  const listCollections = (filter: Document, options: Document) => {
    seen.filters.push(filter)
    seen.options.push(options)
    const toArray = async () => {
      const all: { name: string }[] = []
      for await (const batch of batches()) all.push(...batch)
      return all
    }
    return { toArray }
  }
  // As a command gives it: the first batch, and a cursor that somebody has to end.
  const command = async () => {
    const { value } = await batches().next()
    return { cursor: { firstBatch: value } }
  }
  const client = { db: () => ({ listCollections, command }) } as unknown as MongoClient
  return { seen, client: async () => client }
}

it('names the time-series collections of all batches, and leaves no cursor open', async () => {
  const { client, seen } = serverWith('a', 'b', 'c', 'd', 'e')
  expect(await timeSeriesIn(client, 'shop', resolved())).toEqual(['a', 'b', 'c', 'd', 'e'])
  expect(seen.open).toBe(0)
  expect(seen.filters).toEqual([{ type: 'timeseries' }])
  // Without these the user would need the right to list the whole database.
  expect(seen.options).toMatchObject([{ nameOnly: true, authorizedCollections: true }])
})

it('names those alone that are watched, by name or pattern, and the same each time', async () => {
  const { client } = serverWith('sensors', 'sensors_old', 'Sensors_new', 'weather')
  const watched = resolved({ collections: [/^sensors/i, 'weather'], excludeCollections: [/_old$/] })
  for (let time = 0; time < 3; time += 1) {
    expect(await timeSeriesIn(client, 'shop', watched)).toEqual(['sensors', 'Sensors_new', 'weather'])
  }
})

it('names none where the user may not list them, and asks nobody for a whole deployment', async () => {
  const refuse = () => Promise.reject(new Error('not authorized'))
  expect(await timeSeriesIn(refuse, 'shop', resolved())).toEqual([])
  const { client, seen } = serverWith('a')
  expect(await timeSeriesIn(client, 'admin', resolved())).toEqual([])
  expect(seen.filters).toEqual([])
})
