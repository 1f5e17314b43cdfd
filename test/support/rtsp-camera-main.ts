import koffi from 'koffi'
import { z } from 'zod'
import { loadGstreamer } from '../../agent/encoder/gstreamer.ts'
import type { RtspCameraReport } from './rtsp-camera.ts'

/** An RTSP camera in a process of its own: gst-rtsp-server with one mount. It ends when its parent does. */

const config = z.strictObject({
  port: z.int(),
  launch: z.string(),
  login: z.strictObject({ username: z.string(), password: z.string() }).optional(),
})

const BOOLEAN = 20
const STRING = 64

// The thread of the main loop would hold an orderly end up.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
process.once('message', (raw) => void serve(config.parse(raw)))

async function serve({ port, launch, login }: z.output<typeof config>): Promise<void> {
  loadGstreamer()
  const glib = koffi.load('libglib-2.0.so.0')
  const rtsp = koffi.load('libgstrtspserver-1.0.so.0')
  const server = rtsp.func('void *gst_rtsp_server_new(void)')()
  rtsp.func('void gst_rtsp_server_set_address(void *server, const char *address)')(server, '127.0.0.1')
  rtsp.func('void gst_rtsp_server_set_service(void *server, const char *service)')(server, String(port))
  const factory = rtsp.func('void *gst_rtsp_media_factory_new(void)')()
  rtsp.func('void gst_rtsp_media_factory_set_launch(void *factory, const char *launch)')(
    factory,
    `( ${launch} )`,
  )
  rtsp.func('void gst_rtsp_media_factory_set_shared(void *factory, int shared)')(factory, 1)
  if (login) {
    const right = ['const char *', 'media.factory.access', 'int', BOOLEAN, 'int', 1]
    const other = ['const char *', 'media.factory.construct', 'int', BOOLEAN, 'int', 1]
    rtsp.func('void gst_rtsp_media_factory_add_role(void *factory, const char *role, ...)')(
      factory,
      'viewer',
      ...right,
      ...other,
      'void *',
      null,
    )
    const token = rtsp.func('void *gst_rtsp_token_new(const char *first, ...)')(
      'media.factory.role',
      'int',
      STRING,
      'const char *',
      'viewer',
      'void *',
      null,
    )
    const auth = rtsp.func('void *gst_rtsp_auth_new(void)')()
    const basic = rtsp.func('str gst_rtsp_auth_make_basic(const char *user, const char *password)')(
      login.username,
      login.password,
    )
    rtsp.func('void gst_rtsp_auth_add_basic(void *auth, const char *basic, void *token)')(auth, basic, token)
    rtsp.func('void gst_rtsp_server_set_auth(void *server, void *auth)')(server, auth)
  }
  const mounts = rtsp.func('void *gst_rtsp_server_get_mount_points(void *server)')(server)
  rtsp.func('void gst_rtsp_mount_points_add_factory(void *mounts, const char *path, void *factory)')(
    mounts,
    '/live',
    factory,
  )
  const source: number = rtsp.func('uint gst_rtsp_server_attach(void *server, void *context)')(server, null)
  if (source === 0) throw new Error('the camera has no port')
  const loop = glib.func('void *g_main_loop_new(void *context, int running)')(null, 0)
  glib.func('void g_main_loop_run(void *loop)').async(loop, () => {})
  process.send?.({ type: 'ready' } satisfies RtspCameraReport)
}
