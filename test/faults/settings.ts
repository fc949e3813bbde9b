import type { Random } from './random.js'

/** How the pipeline of a run is set up: another way for each seed. */
export interface Settings {
  readonly maxInFlight: number
  readonly maxInFlightBytes: number
  readonly batchSize: number
  readonly checkpointIntervalMs: number
  readonly fullDocument: 'default' | 'updateLookup' | 'whenAvailable'
  readonly reader: 'command' | 'driver'
  readonly queueType: 'classic' | 'quorum'
  /** Share of the events whose transform answers later. */
  readonly slowTransforms: number
  readonly writesPerSecond: number
}

export function drawSettings(random: Random): Settings {
  return {
    maxInFlight: random.pick([20, 100, 500, 2_000]),
    maxInFlightBytes: random.pick([64 * 1024, 1024 * 1024, 16 * 2 ** 20]),
    batchSize: random.pick([2, 50, 1_000]),
    checkpointIntervalMs: random.pick([50, 300, 1_000]),
    fullDocument: random.pick(['default', 'updateLookup', 'whenAvailable']),
    reader: random.pick(['command', 'driver']),
    queueType: random.pick(['classic', 'quorum']),
    slowTransforms: random.pick([0, 0.05, 0.3]),
    writesPerSecond: random.pick([40, 80, 120]),
  }
}
