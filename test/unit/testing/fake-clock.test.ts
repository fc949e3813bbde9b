import { afterEach, describe, expect, it } from 'vitest'
import { type FakeClock, fakeClock } from '../../../src/testing/index.js'

const real = { setTimeout, now: Date.now }
let clock: FakeClock
afterEach(() => clock.restore())

describe('the fake clock', () => {
  it('runs timers in the order in which they are due, each at its time', async () => {
    clock = fakeClock({ now: 1_000 })
    const ran: [string, number][] = []
    setTimeout(() => ran.push(['late', Date.now()]), 200)
    setTimeout(() => ran.push(['early', Date.now()]), 100)
    setTimeout(() => ran.push(['early too', Date.now()]), 100)
    await clock.advance(150)
    expect(ran).toEqual([
      ['early', 1_100],
      ['early too', 1_100],
    ])
    await clock.advance(50)
    expect(ran.at(-1)).toEqual(['late', 1_200])
  })

  it('runs what a timer sets within the same stretch', async () => {
    clock = fakeClock()
    const started = performance.now()
    let done = 0
    setTimeout(() => setTimeout(() => (done = performance.now() - started), 10), 10)
    await clock.advance(30)
    expect(done).toBe(20)
  })

  it('lets promises settle between timers', async () => {
    clock = fakeClock()
    const order: string[] = []
    setTimeout(() => void Promise.resolve().then(() => order.push('promise')), 1)
    setTimeout(() => order.push('timer'), 2)
    await clock.advance(2)
    expect(order).toEqual(['promise', 'timer'])
  })

  it('forgets cleared timers, and repeats intervals until they are cleared', async () => {
    clock = fakeClock()
    let [cleared, repeated] = [0, 0]
    clearTimeout(setTimeout(() => cleared++, 1))
    const interval = setInterval(() => ++repeated === 3 && clearInterval(interval), 10)
    await clock.advance(100)
    expect([cleared, repeated]).toEqual([0, 3])
  })

  it('clears also a timer that was set before it: it does not fire in real time', async () => {
    let fired = 0
    const timeout = setTimeout(() => fired++, 1)
    const interval = setInterval(() => fired++, 1)
    const passed = new Promise(resolve => setTimeout(resolve, 20))
    clock = fakeClock()
    clearTimeout(timeout)
    clearInterval(interval)
    clearTimeout(undefined)
    await passed
    expect(fired).toBe(0)
  })

  it('starts the delay of a timer anew with `refresh`, unless it was cleared', async () => {
    clock = fakeClock({ now: 0 })
    const ran: number[] = []
    const timer = setTimeout(() => ran.push(Date.now()), 100)
    await clock.advance(80)
    expect(timer.refresh()).toBe(timer)
    await clock.advance(99)
    expect(ran).toEqual([])
    await clock.advance(1)
    timer.refresh()
    await clock.advance(100)
    expect(ran).toEqual([180, 280])
    clearTimeout(timer)
    timer.refresh()
    await clock.advance(100)
    expect(ran).toEqual([180, 280])
  })

  it('gives the real clock back', () => {
    clock = fakeClock()
    expect(Date.now).not.toBe(real.now)
    clock.restore()
    expect([Date.now, globalThis.setTimeout]).toEqual([real.now, real.setTimeout])
  })
})
