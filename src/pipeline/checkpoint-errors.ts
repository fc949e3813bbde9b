/** The former name of `store-errors.ts`, until nobody imports it any more. */
export { passing } from './store-errors.js'
