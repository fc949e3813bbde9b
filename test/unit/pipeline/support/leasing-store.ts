import { CheckpointError } from '../../../../src/errors.js'
import type { Checkpoint, CheckpointStore, Lease, LeaseRequest } from '../../../../src/types.js'

interface Held {
  readonly epoch: number
  readonly holder: string | undefined
  readonly expiresAt: number
}

/** One store for several instances, in memory, with a clock of its own: what MongoDB does, in a few lines. */
export class LeasingStore implements CheckpointStore {
  readonly stored = new Map<string, Checkpoint>()
  readonly leases = new Map<string, Held>()
  /** All saves that landed, in their order. */
  readonly saves: Checkpoint[] = []
  /** How often a save was refused. */
  fenced = 0
  /** What every call fails with, as long as it is set. */
  error: unknown
  /** What is awaited before a call does anything, such as a partition that heals. */
  gate: (call: string) => Promise<void> | undefined = () => undefined
  readonly #now: () => number

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  async load(name: string): Promise<Checkpoint | undefined> {
    await this.#pass('load')
    return this.stored.get(name)
  }

  async save(checkpoint: Checkpoint): Promise<void> {
    await this.#pass('save')
    const { name, epoch } = checkpoint
    const lease = this.leases.get(name)
    if (epoch === undefined ? this.#isGood(lease) : lease?.epoch !== epoch) {
      this.fenced += 1
      throw new CheckpointError('CDC_FENCED', `Refused epoch ${epoch}`)
    }
    if (epoch === undefined && lease?.holder !== undefined) this.#free(name, lease.epoch + 1)
    this.stored.set(name, checkpoint)
    this.saves.push(checkpoint)
  }

  async acquire({ name, holder, ttlMs }: LeaseRequest): Promise<Lease | undefined> {
    await this.#pass('acquire')
    const before = this.leases.get(name)
    if (this.#isGood(before) && before?.holder !== holder) return undefined
    const epoch = (before?.epoch ?? 0) + 1
    const set = (): unknown => this.leases.set(name, { epoch, holder, expiresAt: this.#now() + ttlMs })
    const isOurs = (): boolean => this.leases.get(name)?.epoch === epoch && this.leases.get(name)?.holder === holder
    set()
    return {
      epoch,
      renew: async () => {
        await this.#pass('renew')
        if (isOurs()) set()
        return isOurs()
      },
      release: async () => {
        await this.#pass('release')
        if (isOurs()) this.#free(name, epoch)
      },
    }
  }

  #free(name: string, epoch: number): void {
    this.leases.set(name, { epoch, holder: undefined, expiresAt: Number.NEGATIVE_INFINITY })
  }

  #isGood(lease: Held | undefined): boolean {
    return lease !== undefined && lease.expiresAt > this.#now()
  }

  async #pass(call: string): Promise<void> {
    await this.gate(call)
    if (this.error !== undefined) throw this.error
  }
}
