import type { BSON, Timestamp } from 'mongodb'
import type { Position, PositionOrigin } from '../types.js'

/** The library's BSON, handed in: `mongodb` is loaded when a store is opened, not when it is made. */
export type Bson = typeof BSON

/** What is stored, without the checksum, in the order of its fields. Public: people look at it, and restore it. */
export interface StoredFields {
  readonly v: number
  readonly name: string
  readonly position: {
    readonly kind: Position['kind']
    readonly clusterTime: Timestamp
    readonly token?: unknown
    readonly origin?: PositionOrigin
  }
  readonly savedAt: Date
}

/** The version that this code writes, and the newest that it reads. */
export const storedVersion = 1
