import type { PipelineChild } from './pipeline-child.js'
import type { Place } from './place.js'
import type { Kind } from './plan.js'
import type { Random } from './random.js'
import type { World } from './world.js'
import type { Writers } from './writers.js'

/** What a fault can lay its hands on. */
export interface Stage {
  readonly world: World
  readonly place: Place
  readonly child: PipelineChild
  readonly writers: Writers
  readonly random: Random
  /** For how long it should last. */
  readonly lengthMs: number
  /** Resolves when that time is over. */
  last(): Promise<void>
}

export type FaultSide = 'mongodb' | 'rabbitmq' | 'process' | 'store' | 'transform' | 'data'

/** A kind of fault. It ends what it began. */
export interface Fault extends Kind {
  readonly side: FaultSide
  run(stage: Stage): Promise<void>
}

/** A family of faults, by name. */
export function family(side: FaultSide, faults: Readonly<Record<string, Fault['run']>>): Fault[] {
  return Object.entries(faults).map(([name, run]) => ({ name, side, run }))
}
