import type { MongoClient } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { hasSplitStage, splitsLargeEvents } from '../../../src/source/deployment.js'
import { serverError } from './support.js'

const answering = (answer: () => Promise<unknown>): MongoClient =>
  ({ db: () => ({ command: answer }) }) as unknown as MongoClient

describe('whether a server can send an event in parts', () => {
  it.each([
    [[6, 0, 5, 0], false],
    [[6, 0, 8, 0], false],
    [[6, 0, 9, 0], true],
    [[6, 3, 2, 0], false],
    [[5, 9, 9, 0], false],
    [[7, 0, 0, 0], true],
    [[8, 2, 1, 0], true],
    [[], false],
  ])('is told by its version: %j', async (versionArray, splits) => {
    expect(hasSplitStage(versionArray)).toBe(splits)
    expect(await splitsLargeEvents(answering(async () => ({ versionArray })))).toBe(splits)
  })
  it('is denied of one that does not say, or refuses to', async () => {
    expect(await splitsLargeEvents(answering(async () => ({ version: '7.0.0' })))).toBe(false)
    expect(await splitsLargeEvents(answering(() => Promise.reject(serverError(323))))).toBe(false)
  })
  it('is not known while the server is away', async () => {
    const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
    await expect(splitsLargeEvents(answering(() => Promise.reject(reset)))).rejects.toBe(reset)
  })
})
