/* The browser SDK: everything that a page may use. docs/sdk.md explains it. */
export {
  CAPTURE_FAILURES,
  CaptureError,
  type CaptureFailure,
  type CaptureWishes,
  capture,
  listDevices,
} from './capture-source.ts'
export { Connection, type ConnectOptions, connect, type SubscribeOptions } from './connection.ts'
export { HubRefusal } from './hub-request.ts'
export {
  LAYERS_OF,
  PUBLISH_CODECS,
  type PublishCodec,
  type PublishLayers,
} from './publish-encodings.ts'
export { CannotSend, PublishedTrack, type TrackWishes } from './published-track.ts'
export { PublisherClient } from './publisher-client.ts'
export type { PublisherOptions } from './publisher-contract.ts'
export type { PublisherEvents } from './publisher-events.ts'
export type { PublisherState } from './publisher-state.ts'
export type { LayerStatistics, PublisherStatistics } from './send-statistics.ts'
export { listStreams } from './stream-list.ts'
export {
  type PictureSent,
  ViewerClient,
  type ViewerEvents,
  type ViewerOptions,
} from './viewer-client.ts'
export type { ViewerStatistics } from './viewer-monitor.ts'
export type { ViewerState } from './viewer-state.ts'
