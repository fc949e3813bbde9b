import { describe, expect, it } from 'vitest'
import { NackWatch } from '../../../src/rabbit/nack-watch.js'

/** The times, in seconds, at which one nack per second makes it ask for a new channel. */
function asked(watch: NackWatch, seconds: Iterable<number>): number[] {
  return [...seconds].filter(second => watch.nacked(second * 1_000))
}

function* everySecond(from: number, to: number): Generator<number> {
  for (let second = from; second <= to; second++) yield second
}

describe('the watch over nacks', () => {
  it('asks for a new channel after so long, then after twice the time, up to five minutes', () => {
    const times = asked(new NackWatch(30_000), everySecond(100, 1_500))
    expect(times).toEqual([130, 190, 310, 550, 850, 1_150, 1_450])
  })

  it('takes nacks with a minute between them for two matters', () => {
    const watch = new NackWatch(30_000)
    expect(asked(watch, everySecond(0, 29))).toEqual([])
    expect(asked(watch, [95])).toEqual([])
    expect(asked(watch, everySecond(96, 125))).toEqual([125])
  })

  it('is patient again when it was over', () => {
    const watch = new NackWatch(30_000)
    expect(asked(watch, everySecond(0, 100))).toEqual([30, 90])
    expect(asked(watch, everySecond(200, 240))).toEqual([230])
  })
})
