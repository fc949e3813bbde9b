/** A change of the sources that the checker has to notice. */
export interface Bug {
  readonly file: string
  /** Stands there exactly once, or the build fails. */
  readonly snippet: string
  readonly instead: string
}
