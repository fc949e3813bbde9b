import { type Bug, Game } from './game.js'
import { atTheEnd } from './invariants.js'
import type { Ledger } from './ledger.js'
import { type Deed, type Schedule, waits } from './schedule.js'

/** How often each kind of step has had an effect. */
export type Tally = Map<string, number>

/** Time after the last fault in which everything is delivered and saved; a pipeline that stops begins anew. */
const HEALED_MS = 60_000

/**
 * Plays a schedule, heals all faults, waits until everything is delivered and saved, stops, starts once more; rejects
 * with the first invariant that doesn't hold, by its number in front.
 */
export async function play(schedule: Schedule, tally: Tally = new Map(), bug: Bug = {}): Promise<Ledger> {
  const game = new Game(schedule.setup, bug)
  const { ledger } = game
  try {
    count(tally, 'schedule')
    game.begin()
    await game.settle()
    for (const step of schedule.steps) {
      if ('read' in step) {
        game.stream.append(step.read)
        count(tally, 'read')
        await game.settle()
      } else {
        const effect = await acts[step.deed](game, step.n)
        if (effect) count(tally, step.deed)
        await game.settle()
      }
      expectNothing(ledger)
    }
    await drain(game)
    if (schedule.setup.onceMore) await startOnceMore(game)
    for (const [name, invariant] of Object.entries(atTheEnd)) {
      const wrong = invariant(ledger)
      if (wrong) throw new Error(`${name}: ${wrong}`)
    }
    return ledger
  } finally {
    game.over()
  }
}

const acts: Record<Deed, (game: Game, n: number) => boolean | Promise<boolean>> = {
  'confirm together': ({ broker }, n) => broker.confirm(n, true),
  'confirm each': ({ broker }, n) => broker.confirm(n, false),
  'confirm only number': ({ broker }, n) => broker.confirmOnly(n),
  store: ({ broker }, n) => broker.store(n),
  'nack number': ({ broker }, n) => broker.nack(n),
  'nack together': ({ broker }, n) => broker.nackTogether(n),
  'return number': ({ broker }, n) => broker.return(n),
  'close the channel over number': ({ broker }, n) => broker.refuse(n),
  'lose the connection after': ({ broker }, n) => broker.lose(n - 1),
  'broker away': ({ broker }) => broker.leave(),
  'broker back': ({ broker }) => broker.comeBack(),
  'broker falls silent': ({ broker }) => broker.fallSilent(),
  'copies come late': ({ broker }) => broker.readAbandoned(),
  blocked: ({ broker }) => broker.block(),
  unblocked: ({ broker }) => broker.unblock(),
  'socket full': ({ broker }) => broker.fill(),
  drain: ({ broker }) => broker.drain(),
  'store fails': ({ store }) => store.becomes('fails'),
  'store hangs': ({ store }) => store.becomes('hangs'),
  'store saves and fails': ({ store }) => store.becomes('saves and fails'),
  'store heals': ({ store }) => store.heal(),
  'source repeats': ({ stream }, n) => stream.repeat(n),
  'source fails': ({ stream }) => stream.break(),
  'transforms finish': ({ transforms }) => transforms.finish(),
  'policy decides': game => game.decide(),
  pause: ({ pipeline }) => moved(pipeline.pause()),
  resume: ({ pipeline }) => moved(pipeline.resume()),
  stop: game => game.stop(),
  'stop within seconds': (game, n) => game.stop((n - 1) * 1_000),
  'crash after': (game, n) => game.crash(n - 1),
  wait: (game, n) => game.wait(waits[n] ?? 0).then(() => true),
}

/** What becomes of a pause or a resume shows in the books. */
function moved(move: Promise<unknown>): true {
  move.catch(() => undefined)
  return true
}

/** I9: with everybody well, all is delivered and saved in a bounded time. */
async function drain(game: Game): Promise<void> {
  const { ledger, broker } = game
  const until = game.now + HEALED_MS + ledger.stream.length * 5_000
  for (let ms = 50; ; ms = Math.min(ms * 4, 1_000)) {
    game.heal()
    game.pipeline.resume().catch(() => undefined)
    await game.settle()
    while (broker.confirm(3, true)) await game.settle()
    expectNothing(ledger)
    if (isDone(game)) return
    if (game.now > until) throw new Error(`I9: ${open(ledger)} after everything was healed`)
    await game.wait(ms)
  }
}

function isDone({ ledger, pipeline }: Game): boolean {
  if (pipeline.state !== 'running') return false
  return (ledger.stored?.clusterTime.t ?? 0) >= ledger.stream.length && pipeline.stats().inFlight === 0
}

function open({ stream, stored }: Ledger): string {
  return `position ${stored?.clusterTime.t ?? 'none'} of ${stream.length} is saved`
}

/** I11: a drained pipeline ends as drained, and the next one has nothing to send. */
async function startOnceMore(game: Game): Promise<void> {
  const { ledger } = game
  const before = ledger.arrivals.length
  const { pipeline } = game
  const stopped = pipeline.stop()
  await game.settle()
  while (game.pipeline === pipeline && game.now < Number.POSITIVE_INFINITY) await game.wait(100)
  if (!(await stopped).drained) throw new Error('I11: it has not drained although nothing was left')
  await game.wait(100)
  while (game.broker.confirm(3, true)) await game.settle()
  expectNothing(ledger)
  if (ledger.arrivals.length > before) throw new Error('I11: the next start has sent what was sent')
}

function expectNothing({ violations }: Ledger): void {
  if (violations[0]) throw new Error(violations[0])
}

function count(tally: Tally, step: string): void {
  tally.set(step, (tally.get(step) ?? 0) + 1)
}
