import type { RunCommandOptions } from 'mongodb'

/**
 * How replies are decoded, whatever the user's client is set to. A cursor id must stay an int64: as a JavaScript number
 * it would go back as a double, which `getMore` refuses, and one id in a thousand is small enough to be promoted.
 */
export const replyOptions: RunCommandOptions = {
  raw: false,
  promoteValues: true,
  promoteLongs: false,
  useBigInt64: false,
  enableUtf8Validation: false,
}
