import { describe, expect, it } from 'vitest'
import { BatchSize } from '../../../src/source/batch-size.js'

const events = (count: number, length: number) => Array.from({ length: count }, () => ({ length }))

describe('the number of events of a batch', () => {
  it('is what was asked for where they are small, and fewer for the first', () => {
    const size = new BatchSize(1000)
    expect(size.next).toBe(101)
    size.seen(events(101, 1_400))
    expect(size.next).toBe(1000)
    expect(new BatchSize(5).next).toBe(5)
  })

  it('makes batches of 2 MiB where they are larger, from the next batch on', () => {
    const size = new BatchSize(1000)
    size.seen(events(101, 50_000))
    expect(size.next).toBe(41)
    size.seen([...events(20, 50_000), ...events(20, 1_000)])
    expect(size.next).toBe(82)
    size.seen(events(82, 1_000))
    expect(size.next).toBe(1000)
  })

  it('is at least one, however large they are, and stays when there were none', () => {
    const size = new BatchSize(1000)
    size.seen(events(1, 16 * 1024 * 1024))
    expect(size.next).toBe(1)
    size.seen([])
    expect(size.next).toBe(1)
  })
})
