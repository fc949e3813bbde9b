/** What strings can in Node 20, and the types of ES2022 don't know yet. */
type WellFormed = string & { isWellFormed(): boolean }

/** How half a character is called in errors. */
export const HALF = 'one half of a surrogate pair without the other'

/** Whether a text goes out as it is: half of a surrogate pair would become U+FFFD in UTF-8. */
export function isWellFormed(text: string): boolean {
  return (text as WellFormed).isWellFormed()
}
