import { connect } from '../../../signaling/client/index.ts'

/** In a page: what a programmer's own page has of the SDK. */
Object.assign(globalThis, { connect })
