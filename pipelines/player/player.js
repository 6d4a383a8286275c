// The flamecast player: draws a portrait's file (see scene_file.py) as the `warp` generator does, by WebGL 2.
//
// Four draws a frame: the sheet over the photo and the completed head into buffers of where each pixel comes from, the
// composite of both over the backdrop, and the face with its eyes and mouth. Parameters go up as uniforms (under 3 kB);
// morphs and joints are worked out on the GPU. Units as everywhere in flamecast: metres, radians, world axes of FLAME.

const WIDTH = 1024; // columns of a texture that holds a basis
const NEAR = 0.05, FAR = 8; // m
const LOWER_SHOWN = 0.002; // m, see generator/teeth_rows.py

// -- shaders ----------------------------------------------------------------------------------------------------------

const VERTEX = `#version 300 es
precision highp float; precision highp int; precision highp sampler2D;
layout(location=0) in vec4 rest_column; layout(location=1) in vec4 weights; layout(location=2) in vec4 place_free;
layout(location=3) in vec4 photo_body; layout(location=4) in vec4 fields;
uniform sampler2D basis; uniform int axes; uniform int rows; uniform vec4 amounts[64]; uniform float folds;
uniform vec4 joints[15]; uniform vec3 stays; uniform vec4 teeth[2];
uniform mat4 camera; uniform vec4 lens; uniform vec2 size;
centroid out vec4 photo_at; centroid out vec4 field; flat out int part; centroid out float depth;
void main() {
  int column = int(rest_column.w);
  ivec2 at = ivec2(column % ${WIDTH}, column / ${WIDTH});
  vec4 moved = vec4(0.); // mm, and of the face the log of the light of its folds
  for (int k = 0; k < axes; k++) {
    float amount = amounts[k >> 2][k & 3];
    if (amount != 0.) moved += vec4(vec3(amount), clamp(amount, 0., 1.)) * texelFetch(basis, at + ivec2(0, k * rows), 0);
  }
  vec4 x = vec4(rest_column.xyz + 0.001 * moved.xyz, 1.);
  float root = 1. - dot(weights, vec4(1.));
  vec3 world = vec3(0.);
  for (int j = 0; j < 5; j++) {
    float w = j == 0 ? root : weights[j - 1];
    world += w * vec3(dot(joints[3 * j], x), dot(joints[3 * j + 1], x), dot(joints[3 * j + 2], x));
  }
  float share = photo_body.w;
  if (teeth[0].w > 0.) world += share > 0. ? share * teeth[0].xyz : share * teeth[1].xyz;
  else { world -= share * stays; world = mix(place_free.xyz, world, place_free.w); }
  vec3 seen = (camera * vec4(world, 1.)).xyz;
  vec2 px = lens.xy * seen.xy + lens.zw * seen.z;
  gl_Position = vec4(2. * px.x / size.x - seen.z, seen.z - 2. * px.y / size.y,
    (seen.z * ${(FAR + NEAR) / (FAR - NEAR)} - ${2 * FAR * NEAR / (FAR - NEAR)}), seen.z);
  photo_at = vec4(photo_body.xyz, clamp(exp(folds * (moved.w - place_free.x)), .5, 1.08) - 1.); field = fields; part = int(fields.w + .5); depth = seen.z;
}`;

// Where in the photo each pixel of the sheet comes from (-0.5..1.5 of its sides), and how far it is stretched beyond use.
const SHEET = `#version 300 es
precision highp float; precision highp int;
centroid in vec4 photo_at; uniform vec2 size; uniform float zoom; out uvec4 made;
void main() {
  vec2 p = photo_at.xy / photo_at.z;
  vec2 dx = dFdx(p) * zoom, dy = dFdy(p) * zoom;
  float stretched = clamp((.35 - abs(dx.x * dy.y - dx.y * dy.x)) / (.35 - .12), 0., 1.);
  float beyond = max(max(-p.x, p.x - size.x), 0.); p.y -= beyond * (.5 + 2. * beyond / size.x); // a shoulder falls away
  made = uvec4(clamp(vec4(.5 * p / size + .25, stretched, 1.), 0., 1.) * 65535. + .5);
}`;

// Where on the completed head each pixel is: in the texture, how opaque, and its share of the farthest depth.
const AROUND = `#version 300 es
precision highp float; precision highp int;
centroid in vec4 field; centroid in float depth; out uvec4 made;
void main() {
  made = uvec4(clamp(vec4(field.xyz, depth / ${FAR}.), 0., 1.) * 65535. + .5);
}`;

const COMMON = `#version 300 es
precision highp float; precision highp int; precision highp sampler2D; precision highp usampler2D;
uniform sampler2D photo; uniform vec2 size; uniform vec2 canvas; uniform float still; uniform float turned;
vec2 pixel() { return vec2(gl_FragCoord.x, canvas.y - gl_FragCoord.y) * size / canvas; }
vec4 around_at(usampler2D around) { return vec4(texelFetch(around, ivec2(gl_FragCoord.xy), 0)) / 65535. * vec4(1., 1., 1., ${FAR}.); }
vec4 stacked(sampler2D t, vec2 uv) {  // colors above, alpha below
  vec2 n = vec2(textureSize(t, 0)); float edge = 1. / n.y;
  float v = clamp(uv.y, edge, 1. - edge) * .5;
  return vec4(texture(t, vec2(uv.x, v)).rgb, texture(t, vec2(uv.x, v + .5)).r);
}
// Catmull-Rom splines by nine bilinear samples; part: what share of the picture's height it has.
vec3 sharp(sampler2D t, vec2 at, float part) {
  vec2 n = vec2(textureSize(t, 0)); vec2 p = at - .5, f = fract(p), b = floor(p) + .5;
  vec2 w0 = f * (-.5 + f * (1. - .5 * f)), w1 = 1. + f * f * (-2.5 + 1.5 * f), w2 = f * (.5 + f * (2. - 1.5 * f));
  vec2 w3 = f * f * (-.5 + .5 * f), w12 = w1 + w2, last = vec2(n.x, n.y * part) - .5;
  vec2 a = clamp(b - 1., vec2(.5), last) / n, c = clamp(b + 2., vec2(.5), last) / n;
  vec2 m = clamp(b + w2 / w12, vec2(.5), last) / n;
  vec3 sum = w0.y * (w0.x * texture(t, a).rgb + w12.x * texture(t, vec2(m.x, a.y)).rgb + w3.x * texture(t, vec2(c.x, a.y)).rgb)
    + w12.y * (w0.x * texture(t, vec2(a.x, m.y)).rgb + w12.x * texture(t, m).rgb + w3.x * texture(t, vec2(c.x, m.y)).rgb)
    + w3.y * (w0.x * texture(t, vec2(a.x, c.y)).rgb + w12.x * texture(t, vec2(m.x, c.y)).rgb + w3.x * texture(t, c).rgb);
  return clamp(sum, 0., 1.);
}
float ramp(float gap) { return clamp((gap - .05) * 2.2, 0., 1.); }
`;

// What the face leaves free: the photo's sheet over the completed head over the backdrop. See composite_kernel.py.
const COMPOSITE = COMMON + `
uniform usampler2D sheet; uniform usampler2D around; uniform sampler2D masks; uniform sampler2D backdrop; uniform sampler2D completed;
uniform mat3 wall; uniform float bare; out vec4 made;
float covered(ivec2 at) {
  float count = 0.; ivec2 last = textureSize(around, 0) - 1;
  for (int k = 0; k < 9; k++) {
    ivec2 p = at + ivec2(k % 3 - 1, k / 3 - 1);
    if (p == clamp(p, ivec2(0), last)) count += texelFetch(around, p, 0).w != 0u ? 1. : 0.;
  }
  return clamp((count - 3.) / 6., 0., 1.);
}
void main() {
  vec2 q = pixel(); uvec4 s = texelFetch(sheet, ivec2(gl_FragCoord.xy), 0); bool shell = s.w != 0u;
  vec2 p = shell ? (vec2(s.xy) / 65535. - .25) * 2. * size : q; float stretched = shell ? float(s.z) / 65535. : 0.;
  float moved = shell ? ramp(max(abs(p.x - q.x), abs(p.y - q.y))) : 0.;
  vec3 here = texture(photo, q / size).rgb;
  vec4 a = around_at(around);
  if (!shell && a.w > 0.) moved = 1.;
  moved = mix(1., moved, still);
  if (moved == 0.) { made = bare > 0. ? vec4(here, 1.) * texture(masks, q / size).r : vec4(here, 1.); return; }
  float outline = min(turned / .7, 1.), gone = max((turned - .33) / .67, 0.);
  vec3 mask = shell ? texture(masks, p / size).rgb : vec3(0., 0., 1.);
  float beyond = clamp(max(max(-p.x, p.x - size.x), -p.y) / 2., 0., 1.);
  float everywhere = shell ? mask.g * max(gone, beyond) : 0., under_share = max(stretched, everywhere);
  vec4 under = vec4(0.);
  if (a.w > 0.) {
    vec2 uv = vec2(a.x, 1. - a.y); vec2 n = vec2(textureSize(completed, 0));
    under = vec4(sharp(completed, uv * vec2(n.x, n.y * .5), .5), a.z * covered(ivec2(gl_FragCoord.xy)));
    under_share = max(under_share, gone * stacked(completed, uv).a);
  }
  float alpha = mask.r, shown = 1.;
  if (under.a > 0.) {
    float out_by = clamp((outline * 1.1 - mask.b) / .1, 0., 1.);
    if (shell) shown = max(max(alpha, under_share), out_by);
    float sure = alpha + out_by * (clamp((alpha - .5) / .5, 0., 1.) - alpha);
    under.rgb *= under.a; under.a *= shown;
    alpha += under.a * (sure * (1. - under_share) - alpha);
  }
  alpha *= 1. - everywhere * (1. - under.a);
  vec3 color = vec3(0.);
  float solid = under.a;
  if (alpha < 1.) {
    vec3 w = wall * vec3(q, 1.);
    color = shown * under.rgb + (1. - under.a) * texture(backdrop, w.xy / w.z / size).rgb;
  }
  if (alpha > 0.) { color = mix(color, sharp(photo, p, 1.), alpha); solid = mix(solid, 1., alpha); }
  if (moved < 1.) { color = mix(here, color, moved); solid = mix(texture(masks, q / size).r, solid, moved); }
  made = bare > 0. ? vec4(color * solid, solid) : vec4(color, 1.);
}`;

const FACE = COMMON + `
uniform usampler2D around; uniform sampler2D tex; uniform sampler2D lids; uniform sampler2D photo_part;
uniform vec3 parts; uniform float light; uniform vec2 shut; uniform float lips_moved;
centroid in vec4 photo_at; centroid in vec4 field; flat in int part; centroid in float depth; out vec4 made;
float moved_by(vec2 q, float gap) {
  ivec2 at = ivec2(2. * q), last = textureSize(photo_part, 0) - 1; bool own = false, slit = false;
  for (int k = 0; k < 9; k++) {
    int there = int(texelFetch(photo_part, clamp(at + ivec2(k % 3 - 1, k / 3 - 1), ivec2(0), last), 0).r * 255. + .5);
    own = own || there == part; slit = slit || there == 255;
  }
  return own ? ramp(gap) : float(part) >= parts.y && slit ? ramp(lips_moved) : 1.;
}
void main() {
  float gone = max((turned - .33) / .67, 0.), far = around_at(around).w;
  float behind = far > 0. ? far + (1. - gone) * .06 : 1e6;
  if (depth >= behind + .008) discard;
  vec2 q = pixel(), p = photo_at.xy / photo_at.z; vec2 uv = vec2(field.x, 1. - field.y);
  float moved = 1.;
  if (still > 0.) moved = mix(1., moved_by(q, max(abs(p.x - q.x), abs(p.y - q.y))), still);
  vec4 baked = stacked(tex, uv);
  float sure = max(baked.a, 1. - moved); bool mouth = float(part) >= parts.y;
  float lit = mouth ? min(1., 8. * light * light) : 1.;
  float dim = mouth ? (float(part) < parts.y + parts.z ? .7 + .3 * light : light) : 1.;
  vec3 color = texture(photo, q / size).rgb;
  if (moved > 0.) color = mix(color, sharp(photo, p, 1.) * lit, moved);
  color = mix(color, baked.rgb * dim, 1. - sure);
  if (float(part) == parts.x) {
    float by = field.x > .5 ? shut.x : shut.y; vec4 lid = stacked(lids, uv);
    color = mix(color, lid.rgb, by * moved * lid.a);
  }
  color += photo_at.w * vec3(min(color.r, color.b), color.gb); // folds, see folds.py
  made = vec4(color, 1.) * field.z;
}`;

const QUAD = `#version 300 es
void main() { gl_Position = vec4(gl_VertexID == 1 ? 3. : -1., gl_VertexID == 2 ? 3. : -1., 1., 1.); }`;

// -- numbers ----------------------------------------------------------------------------------------------------------

const dot3 = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const times = (a, b) => { const m = new Float64Array(9); for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++) m[3 * i + j] = a[3 * i] * b[j] + a[3 * i + 1] * b[3 + j] + a[3 * i + 2] * b[6 + j]; return m; };
const apply = (m, v) => [0, 3, 6].map((r) => m[r] * v[0] + m[r + 1] * v[1] + m[r + 2] * v[2]);
const transposed = (m) => Float64Array.of(m[0], m[3], m[6], m[1], m[4], m[7], m[2], m[5], m[8]);
const unit = (v) => { const n = Math.max(Math.hypot(...v), 1e-9); return v.map((x) => x / n); };
const smooth = (x) => { x = Math.min(Math.max(x, 0), 1); return x * x * (3 - 2 * x); };
const clamped = (x, low, high) => Math.min(Math.max(x, low), high);

/** The rotation matrix, row by row, of an axis-angle vector in rad. */
export function matrixFromAxisAngle(v) {
  const angle = Math.hypot(v[0], v[1], v[2]), s = angle < 1e-8 ? 1 : Math.sin(angle) / angle;
  const c = angle < 1e-8 ? 0.5 : (1 - Math.cos(angle)) / (angle * angle), [x, y, z] = v;
  return Float64Array.of(1 - c * (y * y + z * z), c * x * y - s * z, c * x * z + s * y, c * x * y + s * z,
    1 - c * (x * x + z * z), c * y * z - s * x, c * x * z - s * y, c * y * z + s * x, 1 - c * (x * x + y * y));
}

/** The axis-angle vector, rad, of a rotation matrix. */
export function axisAngleFromMatrix(m) {
  const axis = [m[7] - m[5], m[2] - m[6], m[3] - m[1]], s = Math.hypot(...axis) / 2, c = (m[0] + m[4] + m[8] - 1) / 2;
  const angle = Math.atan2(s, c), by = s < 1e-9 ? 0.5 : angle / (2 * s);
  return axis.map((x) => x * by);
}

function inverse3(m) {
  const [a, b, c, d, e, f, g, h, i] = m, A = e * i - f * h, B = f * g - d * i, C = d * h - e * g, det = a * A + b * B + c * C;
  return [A, c * h - b * i, b * f - c * e, B, a * i - c * g, c * d - a * f, C, b * g - a * h, a * e - b * d].map((x) => x / det);
}

// -- files ------------------------------------------------------------------------------------------------------------

async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/** Reads a portrait's file: its header, arrays and files by name. */
export async function readPortrait(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || String.fromCharCode(...bytes.subarray(0, 4)) !== "FLMC" || view.getUint32(4, true) !== 1)
    throw new Error("this is no portrait of flamecast that this player knows");
  const length = view.getUint32(8, true), start = 12 + length, arrays = {}, files = {};
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(12, start)));
  const kinds = { f4: Float32Array, f2: Uint16Array, u4: Uint32Array, u1: Uint8Array };
  await Promise.all(Object.entries(header.blocks).map(async ([name, { offset, bytes: count, type, shape }]) => {
    const block = bytes.subarray(start + offset, start + offset + count);
    if (kinds[type]) arrays[name] = { values: new kinds[type](await inflated(block)), shape };
    else files[name] = new Blob([block], { type });
  }));
  return { header, arrays, files };
}

// -- the drawing ------------------------------------------------------------------------------------------------------

/** Whether this browser draws without a graphics processor: then edges are not smoothed, which costs a sixth. */
export function drawnBySoftware() {
  const gl = document.createElement("canvas").getContext("webgl2"), info = gl?.getExtension("WEBGL_debug_renderer_info");
  const name = gl ? String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER)) : "";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}

/** Draws one portrait into one canvas. */
export class Renderer {
  static async create(canvas, portrait, options = {}) {
    const gl = canvas.getContext("webgl2", { antialias: options.antialias ?? !drawnBySoftware(), alpha: true, premultipliedAlpha: true, depth: true,
      preserveDrawingBuffer: options.keep === true, powerPreference: "high-performance" });
    if (!gl) throw new Error("this browser has no WebGL 2");
    const made = new Renderer(gl, canvas, portrait);
    await made.load();
    return made;
  }

  constructor(gl, canvas, portrait) {
    Object.assign(this, { gl, canvas, portrait, header: portrait.header, background: true, uploaded: 0 });
    const { joints, joints_expression, mark_points, mark_basis, carried_mixing, lips_at } = portrait.arrays;
    Object.assign(this, { joints: joints.values, shifts: joints_expression.values, marks: mark_points.values,
      markBasis: mark_basis.values, mixing: carried_mixing, lipsAt: lips_at.values, count: mark_points.shape[0] });
    const { intrinsics: k, from_world: m } = this.header.camera;
    this.home = { k, m };
    this.before = this.markPlaces(this.posed(this.header.pose));
  }

  async load() {
    const { gl } = this;
    this.programs = { sheet: this.program(VERTEX, SHEET), around: this.program(VERTEX, AROUND), composite: this.program(QUAD, COMPOSITE), face: this.program(VERTEX, FACE) };
    this.meshes = {};
    for (const name of ["shell", "around", "face"]) this.meshes[name] = this.mesh(name);
    const pictures = ["photo", "masks", "backdrop", "texture", "lids", "completed"];
    const bitmaps = await Promise.all(pictures.map((name) => createImageBitmap(this.portrait.files[name],
      { colorSpaceConversion: "none", premultiplyAlpha: "none" })));
    this.textures = {};
    pictures.forEach((name, index) => { this.textures[name] = this.picture(bitmaps[index], name === "backdrop"); bitmaps[index].close(); });
    const { values, shape } = this.portrait.arrays.photo_part;
    this.textures.part = this.texture(gl.R8, shape[1], shape[0], gl.RED, gl.UNSIGNED_BYTE, values);
    this.buffers = null;
    this.empty = gl.createVertexArray();
  }

  program(vertex, fragment) {
    const { gl } = this, program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text); gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) throw new Error(gl.getShaderInfoLog(shader));
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) throw new Error(gl.getProgramInfoLog(program));
    const at = {};
    for (let k = 0; k < gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS); k++) {
      const { name } = gl.getActiveUniform(program, k);
      at[name.replace("[0]", "")] = gl.getUniformLocation(program, name);
    }
    return { program, at };
  }

  texture(format, width, height, layout, type, values) {
    const { gl } = this, made = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, made);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.texStorage2D(gl.TEXTURE_2D, 1, format, width, height);
    if (values) gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, width, height, layout, type, values);
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
    for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
    return made;
  }

  picture(bitmap, mirrored) {
    const { gl } = this, made = this.texture(gl.RGBA8, bitmap.width, bitmap.height);
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.LINEAR);
    const wrap = mirrored ? gl.MIRRORED_REPEAT : gl.CLAMP_TO_EDGE;
    for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, name, wrap);
    return made;
  }

  mesh(name) {
    const { gl } = this, { arrays } = this.portrait;
    const points = arrays[`${name}_points`].values, triangles = arrays[`${name}_triangles`].values;
    const array = gl.createVertexArray();
    gl.bindVertexArray(array);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, points, gl.STATIC_DRAW);
    for (let k = 0; k < 5; k++) { gl.enableVertexAttribArray(k); gl.vertexAttribPointer(k, 4, gl.FLOAT, false, 80, 16 * k); }
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, triangles, gl.STATIC_DRAW);
    gl.bindVertexArray(null);
    const { values, shape: [axes, columns, of] } = arrays[`${name}_basis`], rows = Math.ceil(columns / WIDTH);
    const padded = new Uint16Array(WIDTH * rows * axes * of);
    for (let k = 0; k < axes; k++) padded.set(values.subarray(of * columns * k, of * columns * (k + 1)), of * WIDTH * rows * k);
    const basis = this.texture(of === 4 ? gl.RGBA16F : gl.RGB16F, WIDTH, rows * axes, of === 4 ? gl.RGBA : gl.RGB, gl.HALF_FLOAT, padded);
    return { array, basis, axes, rows, folds: of === 4, triangles: triangles.length / 3 };
  }

  /** Buffers of where pixels come from, as large as the canvas. */
  targets(width, height) {
    const { gl, buffers: old } = this;
    if (old && old.width === width && old.height === height) return old;
    if (old) { for (const name of ["sheet", "around"]) { gl.deleteTexture(old[name].texture); gl.deleteFramebuffer(old[name].frame); } gl.deleteRenderbuffer(old.depth); }
    const depth = gl.createRenderbuffer(), made = { width, height, depth };
    gl.bindRenderbuffer(gl.RENDERBUFFER, depth);
    gl.renderbufferStorage(gl.RENDERBUFFER, gl.DEPTH_COMPONENT24, width, height);
    for (const name of ["sheet", "around"]) {
      const texture = this.texture(gl.RGBA16UI, width, height), frame = gl.createFramebuffer();
      gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
      gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
      gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.RENDERBUFFER, depth);
      made[name] = { texture, frame };
    }
    return (this.buffers = made);
  }

  // -- a frame's numbers

  /** Joints' transforms [5][12], coefficients and more of parameters {expression, rotation, neck, jaw, eyes, eyelids, translation}. */
  posed(p) {
    const { parents } = this.header, e = p.expression.length, local = [p.rotation, p.neck, p.jaw, p.eyes.slice(0, 3), p.eyes.slice(3)].map(matrixFromAxisAngle);
    const joints = parents.map((_, j) => [0, 1, 2].map((k) => {
      let sum = this.joints[3 * j + k];
      for (let i = 0; i < e; i++) sum += this.shifts[(3 * j + k) * e + i] * p.expression[i];
      return sum;
    }));
    const turns = [], places = [], transforms = new Float32Array(60);
    parents.forEach((parent, j) => {
      turns.push(parent < 0 ? local[j] : times(turns[parent], local[j]));
      const bone = parent < 0 ? null : apply(turns[parent], joints[j].map((x, k) => x - joints[parent][k]));
      places.push(parent < 0 ? joints[j] : bone.map((x, k) => x + places[parent][k]));
      const moved = apply(turns[j], joints[j]);
      for (let k = 0; k < 3; k++) transforms.set([turns[j][3 * k], turns[j][3 * k + 1], turns[j][3 * k + 2], places[j][k] - moved[k] + p.translation[k]], 12 * j + 4 * k);
    });
    const coefficients = new Float32Array(e + 2 + 36);
    coefficients.set(p.expression); coefficients.set(p.eyelids, e);
    for (let j = 1; j < 5; j++) for (let k = 0; k < 9; k++) coefficients[e + 2 + 9 * (j - 1) + k] = local[j][k] - (k % 4 === 0 ? 1 : 0);
    return { transforms, coefficients, skull: turns[1], translation: p.translation };
  }

  /** Where the marks (lips, lids, edges of teeth) are, [n][3] m. */
  markPlaces({ transforms: t, coefficients: c }) {
    const n = this.count, out = [];
    for (let i = 0; i < n; i++) {
      const x = [this.marks[8 * i], this.marks[8 * i + 1], this.marks[8 * i + 2]];
      for (let k = 0; k < c.length; k++) if (c[k]) for (let a = 0; a < 3; a++) x[a] += c[k] * this.markBasis[3 * (n * k + i) + a];
      const y = [0, 0, 0];
      for (let j = 0; j < 5; j++) { const w = this.marks[8 * i + 3 + j]; if (w) for (let a = 0; a < 3; a++) y[a] += w * (t[12 * j + 4 * a] * x[0] + t[12 * j + 4 * a + 1] * x[1] + t[12 * j + 4 * a + 2] * x[2] + t[12 * j + 4 * a + 3]); }
      out.push(y);
    }
    return out;
  }

  /** What the marks say: how lit the mouth is, how shut the lids are, how far the rows of teeth go along with the lips. */
  openings(places, skull) {
    const { marks, lids_known, closing, wide_open, teeth_up } = this.header;
    const away = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
    const open = Math.min(away(places[0], places[1]) / wide_open, 1);
    let at = marks.lips + marks.inner_lips;
    const shut = ["left", "right"].map((side, k) => {
      const n = marks[`${side}_upper`], gap = (p) => { let sum = 0; for (let i = 0; i < n; i++) sum += away(p[at + i], p[at + n + i]); return sum / n; };
      const share = lids_known[k] ? 1 - gap(places) / Math.max(gap(this.before), 1e-4) : 0;
      at += 2 * n;
      return smooth((share - closing[0]) / (closing[1] - closing[0]));
    });
    const teeth = new Float32Array(8);
    teeth[3] = 1;
    if (teeth_up) {
      const up = unit(apply(skull, teeth_up)), along = (a, b) => dot3(a.map((x, k) => x - b[k]), up);
      const raised = Math.max(along(places[0], places[at]), 0), sunk = Math.max(along(places[at + 1], places[1]) - LOWER_SHOWN, 0);
      up.forEach((x, k) => { teeth[k] = raised * x; teeth[4 + k] = sunk * x; });
    }
    return { light: 0.2 + 0.8 * open * (2 - open), shut, teeth };
  }

  /** The camera that circles the head's middle by yaw and elevation, rad, nearer by zoom; the photo's own at 0, 0, 1. */
  orbit(yaw = 0, elevation = 0, zoom = 1) {
    const { m } = this.home, middle = this.header.middle;
    const r = Float64Array.of(m[0], m[1], m[2], m[4], m[5], m[6], m[8], m[9], m[10]), t = [m[3], m[7], m[11]];
    const eye = apply(transposed(r), t.map((x) => -x)), arm = eye.map((x, k) => x - middle[k]);
    const right = [r[0], r[1], r[2]];
    const turn = times(matrixFromAxisAngle([0, yaw, 0]), matrixFromAxisAngle(right.map((x) => -x * elevation)));
    const turned = times(r, transposed(turn)), at = apply(turn, arm).map((x, k) => middle[k] + x / zoom);
    const shift = apply(turned, at).map((x) => -x);
    return { k: this.home.k, m: [turned[0], turned[1], turned[2], shift[0], turned[3], turned[4], turned[5], shift[1], turned[6], turned[7], turned[8], shift[2], 0, 0, 0, 1] };
  }

  /** How far the camera sees the head from another side than the photo does, 0..1. */
  turnedBy(camera, posed) {
    const centre = (m, shift) => { const r = Float64Array.of(m[0], m[1], m[2], m[4], m[5], m[6], m[8], m[9], m[10]); return apply(transposed(r), [-m[3], -m[7], -m[11]]).map((x, k) => x - this.header.head_centre[k] - shift[k]); };
    const first = apply(transposed(this.posed(this.header.pose).skull), unit(centre(this.home.m, [0, 0, 0])));
    const now = apply(transposed(posed.skull), unit(centre(camera.m, posed.translation)));
    const [from, to] = this.header.turned;
    return clamped((Math.acos(clamped(dot3(first, now), -1, 1)) - from) / (to - from), 0, 1);
  }

  /** The photo's px from the camera's px [9] for a wall behind the head that faces the photo's camera. */
  wallFrom(camera) {
    const { k, m } = this.home, distance = m[11] + this.header.wall, rot = (x) => Float64Array.of(x[0], x[1], x[2], x[4], x[5], x[6], x[8], x[9], x[10]);
    const turn = times(rot(camera.m), transposed(rot(m))), moved = apply(turn, [m[3], m[7], m[11]]);
    const t = [camera.m[3] - moved[0], camera.m[7] - moved[1], camera.m[11] - moved[2]];
    const plane = turn.map((x, i) => x + (i % 3 === 2 ? t[Math.floor(i / 3)] / distance : 0));
    return inverse3(times(times(camera.k, plane), inverse3(k)));
  }

  // -- a frame

  /** Draws parameters as a camera sees them, the photo's own when none is given; `held`: the background stays as it is.
   * Says what it took. */
  draw(parameters, camera = this.home, held = false) {
    const { gl, canvas, programs, header } = this, [width, height] = header.size;
    const posed = this.posed(parameters), places = this.markPlaces(posed), seen = this.openings(places, posed.skull);
    const still = camera.m.every((x, i) => Math.abs(x - this.home.m[i]) < 1e-7) ? 1 : 0;
    const squared = posed.translation.reduce((sum, x) => sum + x * x, 0), follow = squared / (squared + header.torso_lag ** 2);
    const view = { camera, held, still, turned: this.turnedBy(camera, posed), zoom: canvas.width / width, posed, size: [width, height],
      stays: posed.translation.map((x) => x * (1 - follow)), canvas: [canvas.width, canvas.height] };
    view.carried = new Float32Array(this.mixing.shape[0]);
    const all = this.mixing.shape[1];
    for (let r = 0; r < view.carried.length; r++) for (let k = 0; k < all; k++) view.carried[r] += this.mixing.values[r * all + k] * posed.coefficients[k];
    view.own = Float32Array.from(header.face_rows, (row) => posed.coefficients[row]);
    this.uploaded = 0;
    const buffers = this.targets(canvas.width, canvas.height), { textures, meshes } = this;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.disable(gl.BLEND); gl.enable(gl.DEPTH_TEST);
    for (const [name, mesh] of [["sheet", "shell"], ["around", "around"]]) {
      gl.bindFramebuffer(gl.FRAMEBUFFER, buffers[name].frame);
      gl.clearBufferuiv(gl.COLOR, 0, new Uint32Array(4)); gl.clear(gl.DEPTH_BUFFER_BIT);
      if (name === "around") gl.enable(gl.CULL_FACE);
      this.drawMesh(programs[name], meshes[mesh], view, view.carried, new Float32Array(8));
    }
    gl.disable(gl.CULL_FACE);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.clear(gl.DEPTH_BUFFER_BIT);
    this.composite(view);
    gl.enable(gl.BLEND); gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    const { program, at } = programs.face, { parts } = header;
    gl.useProgram(program);
    this.bind(at, { around: buffers.around.texture, photo: textures.photo, tex: textures.texture, lids: textures.lids, photo_part: textures.part });
    gl.uniform3f(at.parts, parts.lids, parts.mouth, parts.teeth);
    gl.uniform1f(at.light, seen.light); gl.uniform2f(at.shut, ...seen.shut); gl.uniform1f(at.lips_moved, this.lipsMoved(places, camera));
    this.drawMesh(programs.face, meshes.face, view, view.own, seen.teeth);
    this.uploaded += 7 * 4;
    const triangles = Object.values(meshes).reduce((sum, mesh) => sum + mesh.triangles, 1);
    return { draws: 4, triangles, bytes: this.uploaded, turned: view.turned };
  }

  lipsMoved(places, { k, m }) {
    let most = 0;
    for (let i = 0; i < this.header.marks.inner_lips; i++) {
      const p = places[this.header.marks.lips + i], s = [0, 4, 8].map((r) => m[r] * p[0] + m[r + 1] * p[1] + m[r + 2] * p[2] + m[r + 3]);
      const z = Math.max(s[2], 1e-3), x = k[0] * s[0] / z + k[2], y = k[4] * s[1] / z + k[5];
      most = Math.max(most, Math.abs(x - this.lipsAt[2 * i]), Math.abs(y - this.lipsAt[2 * i + 1]));
    }
    return most;
  }

  composite(view) {
    const { gl, textures, buffers } = this, { program, at } = this.programs.composite;
    gl.useProgram(program);
    gl.disable(gl.DEPTH_TEST);
    this.bind(at, { sheet: buffers.sheet.texture, around: buffers.around.texture, photo: textures.photo, masks: textures.masks, backdrop: textures.backdrop, completed: textures.completed });
    this.common(at, view);
    gl.uniformMatrix3fv(at.wall, true, view.held ? [1, 0, 0, 0, 1, 0, 0, 0, 1] : this.wallFrom(view.camera));
    gl.uniform1f(at.bare, this.background ? 0 : 1);
    gl.bindVertexArray(this.empty);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.enable(gl.DEPTH_TEST);
    this.uploaded += 40;
  }

  common(at, view) {
    const { gl } = this;
    gl.uniform2f(at.size, ...view.size);
    if (at.canvas) gl.uniform2f(at.canvas, ...view.canvas);
    if (at.still) gl.uniform1f(at.still, view.still);
    if (at.turned) gl.uniform1f(at.turned, view.turned);
    this.uploaded += 24;
  }

  bind(at, textures) {
    const { gl } = this;
    Object.entries(textures).forEach(([name, texture], unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit + 1); gl.bindTexture(gl.TEXTURE_2D, texture); gl.uniform1i(at[name], unit + 1);
    });
  }

  drawMesh({ program, at }, mesh, view, amounts, teeth) {
    const { gl } = this, { k, m } = view.camera, padded = new Float32Array(4 * Math.ceil(mesh.axes / 4));
    padded.set(amounts);
    gl.useProgram(program);
    gl.activeTexture(gl.TEXTURE0); gl.bindTexture(gl.TEXTURE_2D, mesh.basis); gl.uniform1i(at.basis, 0);
    gl.uniform1i(at.axes, mesh.axes); gl.uniform1i(at.rows, mesh.rows); gl.uniform1f(at.folds, Number(mesh.folds));
    gl.uniform4fv(at.amounts, padded); gl.uniform4fv(at.joints, view.posed.transforms);
    gl.uniform3f(at.stays, ...view.stays); gl.uniform4fv(at.teeth, teeth);
    gl.uniformMatrix4fv(at.camera, true, m); gl.uniform4f(at.lens, k[0], k[4], k[2], k[5]);
    if (at.zoom) gl.uniform1f(at.zoom, view.zoom);
    this.common(at, view);
    gl.bindVertexArray(mesh.array);
    gl.drawElements(gl.TRIANGLES, 3 * mesh.triangles, gl.UNSIGNED_INT, 0);
    this.uploaded += padded.byteLength + 240 + 32 + 64 + 16 + 12 + 12;
  }
}

// -- what it does -----------------------------------------------------------------------------------------------------

const CHANNELS = { rotation: 3, neck: 3, jaw: 3, eyes: 6, eyelids: 2, translation: 3 };
const FADE = 0.3; // s from a clip to the rest, and back
const BLINK = 0.16; // s that one takes
const LOOK = { yaw: 0.42, pitch: 0.28, neck: 0.3 }; // rad at most, and how much of it the head turns
const ORBIT = { yaw: 0.8, elevation: 0.45 }; // rad at most
const SLOW = 45; // ms a frame, from which on the picture gets coarser

const turnedBy = (v, by) => by.some(Boolean) ? axisAngleFromMatrix(times(times(matrixFromAxisAngle([0, by[1], 0]), times(matrixFromAxisAngle([by[0], 0, 0]), matrixFromAxisAngle([0, 0, by[2]]))), matrixFromAxisAngle(v))) : v;
const mixed = (a, b, share) => Object.fromEntries(Object.keys(a).map((name) => [name, a[name].map((x, k) => x + share * (b[name][k] - x))]));

/** A portrait that lives in a canvas: see player.d.ts. */
export class Player {
  constructor(renderer) {
    const { header } = renderer;
    Object.assign(this, { renderer, header, canvas: renderer.canvas, controls: {}, listeners: {}, running: true, shown: null,
      orbit: { yaw: 0, elevation: 0, zoom: 1 }, gaze: [0, 0], target: [0, 0], clip: null, from: null, scale: 1, cost: 0, maxSide: 1280, muted: false,
      life: { blink: true, breathe: true, look: true }, nextBlink: 1.5, blinkAt: -1, last: 0, work: null });
    this.clips = (header.clips || []).map(({ name, fps, frames, sound }, index) => ({ name, fps, frames, seconds: frames / fps, sound: Boolean(sound), index }));
    this.sounds = new Map();
    this.tick = this.tick.bind(this);
    this.resize = new ResizeObserver(() => { this.resized = true; }); // a canvas that gets another size is empty: not before it is drawn
    this.resize.observe(this.canvas);
    this.canvas.addEventListener("webglcontextlost", (event) => { event.preventDefault(); this.lost = true; this.emit("error", "the graphics were lost"); });
    this.canvas.addEventListener("webglcontextrestored", async () => { await renderer.load(); this.lost = false; });
    this.fit();
    requestAnimationFrame(this.tick);
  }

  /** Calls back at an event; returns what ends that. */
  on(event, callback) {
    (this.listeners[event] ||= new Set()).add(callback);
    return () => this.listeners[event].delete(callback);
  }

  emit(event, detail) { for (const callback of this.listeners[event] || []) callback(detail); }

  /** Every name that setParameters takes. */
  get names() {
    const { angles, joints, lids, blends } = this.header.controls;
    return [...new Set([...Object.keys(angles), ...Object.keys(blends), ...Object.keys(lids), ...Object.keys(joints), ...this.header.expression])];
  }

  /** Adds controls to what is shown, by name: ARKit's 0..1, angles in rad. null takes all of them away. */
  setParameters(values) {
    if (values === null) this.controls = {};
    const known = new Set(this.names);
    for (const [name, value] of Object.entries(values || {})) {
      if (!known.has(name)) throw new RangeError(`there is no parameter ${String(name).slice(0, 60)}`);
      if (!Number.isFinite(value)) throw new RangeError(`${name} must be a number, got ${String(value).slice(0, 60)}`);
      this.controls[name] = clamped(value, -3, 3);
    }
    this.emit("parameters", { ...this.controls });
  }

  /** Shows a frame of FLAME's parameters (by channel) until null is given: what a tracker sends. */
  show(frame) {
    if (frame !== null) for (const [name, count] of Object.entries({ ...CHANNELS, expression: this.header.expression.length }))
      if (!frame[name] || frame[name].length !== count || !Array.prototype.every.call(frame[name], Number.isFinite)) throw new RangeError(`${name} must be ${count} numbers`);
    this.shown = frame && Object.fromEntries(Object.keys(this.header.pose).map((name) => [name, Array.from(frame[name])]));
  }

  /** Turns the view by yaw and elevation, rad, and brings it nearer by zoom. */
  turn(yaw, elevation = 0, zoom = this.orbit.zoom) {
    this.orbit = { yaw: clamped(yaw, -ORBIT.yaw, ORBIT.yaw), elevation: clamped(elevation, -ORBIT.elevation, ORBIT.elevation), zoom: clamped(zoom, 0.6, 2.5) };
    this.emit("turn", { ...this.orbit });
  }

  /** Looks at a place of the page, px; nowhere in particular when null. */
  look(x, y) {
    if (x === null) { this.target = [0, 0]; return; }
    const box = this.canvas.getBoundingClientRect();
    const dx = (x - box.left - box.width / 2) / box.width, dy = (y - box.top - 0.4 * box.height) / box.height;
    this.target = [clamped(1.2 * dx, -1, 1) * LOOK.yaw, clamped(1.2 * dy, -1, 1) * LOOK.pitch];
  }

  // -- clips

  clipOf(which) {
    const found = typeof which === "number" ? this.clips[which] : this.clips.find(({ name }) => name === which);
    if (!found) throw new RangeError("there is no such clip");
    return found;
  }

  /** Plays a clip by name or number, with its sound; resolves at its end. */
  async play(which = 0, { loop = false } = {}) {
    const clip = this.clipOf(which), turn = (this.turnOf = (this.turnOf || 0) + 1);
    this.stop();
    const sound = clip.sound && !this.muted ? await this.soundOf(clip) : null;
    if (turn !== this.turnOf) return false;
    this.from = { pose: this.current, at: this.now() };
    return new Promise((done) => {
      const started = { ...clip, loop, done, turn, motion: this.renderer.portrait.arrays[`clip${clip.index}_motion`].values };
      if (sound) {
        const node = this.audio.createBufferSource();
        node.buffer = sound; node.loop = loop; node.loopEnd = clip.seconds; node.connect(this.out);
        started.start = this.audio.currentTime + 0.05; node.start(started.start); started.node = node;
      } else started.begun = this.now();
      this.clip = started;
      this.emit("play", { name: clip.name });
    });
  }

  /** Ends what plays. */
  stop() {
    const { clip } = this;
    if (!clip) return;
    this.clip = null;
    if (clip.node) { clip.node.onended = null; clip.node.stop(); clip.node.disconnect(); }
    this.from = { pose: this.current, at: this.now() };
    clip.done(false);
    this.emit("end", { name: clip.name });
  }

  /** The clip's time, s, by the sound's own clock where it has one. */
  get time() {
    const { clip, audio } = this;
    if (!clip) return 0;
    if (!clip.node) return this.now() - clip.begun;
    return Math.max(audio.currentTime - clip.start - (audio.outputLatency || audio.baseLatency || 0), 0);
  }

  async soundOf(clip) {
    if (!this.audio) {
      const Context = window.AudioContext || window.webkitAudioContext;
      if (!Context) return null;
      this.audio = new Context();
      this.out = this.audio.createGain();
      this.out.connect(this.audio.destination);
    }
    await Promise.race([this.audio.resume(), new Promise((later) => setTimeout(later, 300))]);
    if (this.audio.state !== "running") return null; // a browser lets no sound begin before a click
    if (!this.sounds.has(clip.index)) {
      const file = await this.renderer.portrait.files[`clip${clip.index}_sound`].arrayBuffer();
      this.sounds.set(clip.index, await this.audio.decodeAudioData(file).catch(() => null));
    }
    return this.sounds.get(clip.index);
  }

  frameOf(clip, time) {
    const e = this.header.expression.length, size = e + 20, last = clip.frames - 1, at = clamped(time * clip.fps, 0, last), k = Math.floor(at), share = at - k;
    const a = clip.motion.subarray(k * size, (k + 1) * size), b = clip.motion.subarray(Math.min(k + 1, last) * size, (Math.min(k + 1, last) + 1) * size);
    const values = Array.from(a, (x, i) => x + share * (b[i] - x)), pose = { expression: values.slice(0, e) };
    let start = e;
    for (const [name, count] of Object.entries(CHANNELS)) { pose[name] = values.slice(start, start + count); start += count; }
    return pose;
  }

  // -- recording

  /** Records the picture and the sound until stopRecording; resolves to a video file (WebM where the browser makes it). */
  record({ fps = 30 } = {}) {
    if (this.recorder) throw new Error("it records already");
    const stream = this.canvas.captureStream(fps), kind = ["video/webm;codecs=vp9,opus", "video/webm;codecs=vp8,opus", "video/webm", "video/mp4"].find((type) => MediaRecorder.isTypeSupported(type));
    if (this.audio) { const tap = this.audio.createMediaStreamDestination(); this.out.connect(tap); stream.addTrack(tap.stream.getAudioTracks()[0]); }
    const recorder = new MediaRecorder(stream, { mimeType: kind, videoBitsPerSecond: 6e6 }), parts = [];
    recorder.ondataavailable = ({ data }) => data.size && parts.push(data);
    this.recorder = recorder;
    recorder.start(500);
    this.recording = new Promise((done) => { recorder.onstop = () => { this.recorder = null; stream.getTracks().forEach((track) => track.stop()); done(new Blob(parts, { type: recorder.mimeType })); }; });
    this.emit("record", true);
    return this.recording;
  }

  stopRecording() { if (this.recorder) { this.recorder.stop(); this.emit("record", false); } return this.recording; }

  // -- a frame

  now() { return performance.now() / 1000; }

  get current() { return this.work || this.header.pose; }

  /** Canvas pixels: as many as are seen, at most 1.5 times the photo's, fewer where frames take long. */
  fit() {
    const [w, h] = this.header.size, box = this.canvas.getBoundingClientRect(), seen = (box.width || w) * (window.devicePixelRatio || 1);
    const width = Math.max(64, Math.round(Math.min(seen, 1.5 * w, (this.maxSide * w) / Math.max(w, h)) * this.scale)), height = Math.max(64, Math.round((width * h) / w));
    if (width !== this.canvas.width || height !== this.canvas.height) { this.canvas.width = width; this.canvas.height = height; this.dirty = true; }
  }

  /** The pose of this moment before controls: a shown frame, a clip's, or the photo's own. */
  base(now) {
    let pose = this.shown || this.header.pose;
    const { clip } = this;
    if (clip) {
      let time = this.time;
      if (time >= clip.seconds && !clip.loop) { this.clip = null; this.from = { pose: this.current, at: now }; clip.done(true); this.emit("end", { name: clip.name }); } else {
        time %= clip.seconds;
        pose = this.frameOf(clip, time);
        this.emit("frame", { name: clip.name, time, frame: Math.min(Math.floor(time * clip.fps), clip.frames - 1) });
      }
    }
    if (this.from) {
      const share = (now - this.from.at) / FADE;
      if (share >= 1) this.from = null; else pose = mixed(this.from.pose, pose, smooth(share));
    }
    return pose;
  }

  /** A pose with controls added as `--edit` does. */
  edited(pose, values) {
    const { angles, joints, lids, blends } = this.header.controls, names = this.header.expression, by = { neck: [0, 0, 0], jaw: [0, 0, 0], eyes: [[0, 0, 0], [0, 0, 0]] };
    const made = { ...pose, expression: pose.expression.slice(), eyelids: pose.eyelids.slice() };
    for (const [name, value] of Object.entries(values)) {
      for (const [axis, share] of blends[name] || [[name, 1]]) { const k = names.indexOf(axis); if (k >= 0) made.expression[k] += share * value; }
      for (const side of lids[name] || []) made.eyelids[side] = clamped(made.eyelids[side] + value, 0, 1);
      if (angles[name]) { const [channel, axis] = angles[name]; (channel === "eyes" ? by.eyes : [by.neck]).forEach((turn) => { turn[axis] += value; }); }
      if (joints[name] && !names.includes(name)) { const [channel, eye, axis, full] = joints[name]; (eye === null ? by[channel] : by.eyes[eye])[axis] += value * full; }
    }
    made.neck = turnedBy(pose.neck, by.neck); made.jaw = turnedBy(pose.jaw, by.jaw);
    made.eyes = [...turnedBy(pose.eyes.slice(0, 3), by.eyes[0]), ...turnedBy(pose.eyes.slice(3), by.eyes[1])];
    return made;
  }

  /** What it does by itself: it breathes, blinks and looks at the pointer, and at whoever turns the view. */
  alive(pose, now, step) {
    const { life, orbit } = this, idle = !this.clip && !this.shown;
    const wanted = idle && life.look ? [this.target[0] + clamped(orbit.yaw, -0.35, 0.35), this.target[1] - clamped(orbit.elevation, -0.2, 0.2)] : [0, 0];
    this.gaze = this.gaze.map((x, k) => x + (wanted[k] - x) * (1 - Math.exp(-7 * step)));
    const values = { yaw: LOOK.neck * this.gaze[0], pitch: LOOK.neck * this.gaze[1], gazeYaw: (1 - LOOK.neck) * this.gaze[0], gazePitch: (1 - LOOK.neck) * this.gaze[1] };
    if (life.breathe && idle) { values.pitch += 0.006 * Math.sin(1.6 * now); values.roll = 0.004 * Math.sin(0.7 * now); values.yaw += 0.005 * Math.sin(0.43 * now); }
    const made = Object.values(values).some((x) => Math.abs(x) > 1e-5) ? this.edited(pose, values) : pose;
    if (!life.blink || !idle) { this.blinkAt = -1; return made; }
    if (this.blinkAt < 0 && now > this.nextBlink) { this.blinkAt = now; this.nextBlink = now + 1.5 + 4 * Math.random(); }
    const share = this.blinkAt < 0 ? 1 : (now - this.blinkAt) / BLINK;
    if (share >= 1) { this.blinkAt = -1; return made; }
    const lids = share < 0.4 ? smooth(share / 0.4) : 1 - smooth((share - 0.4) / 0.6);
    return { ...made, eyelids: made.eyelids.map((x) => x + lids * (1 - x)) };
  }

  tick() {
    if (!this.running) return;
    requestAnimationFrame(this.tick);
    const now = this.now(), step = Math.min(now - this.last, 0.25);
    this.last = now;
    if (this.lost) return;
    this.work = this.base(now);
    const pose = this.alive(this.edited(this.work, this.controls), now, step), { yaw, elevation, zoom } = this.orbit;
    const state = JSON.stringify([pose, this.orbit, this.renderer.background]);
    if (this.resized) { this.resized = false; this.fit(); }
    if (state === this.drawn && !this.dirty) return;
    this.drawn = state; this.dirty = false;
    const camera = yaw || elevation || zoom !== 1 ? this.renderer.orbit(yaw, elevation, zoom) : undefined, begun = performance.now();
    this.facts = this.renderer.draw(pose, camera, true);
    this.facts.ms = performance.now() - begun;
    this.cost += 0.05 * (step * 1000 - this.cost);
    if (this.cost > SLOW && this.scale > 0.5 && (this.slow = (this.slow || 0) + 1) > 20) { this.scale = Math.max(0.5, 0.8 * this.scale); this.slow = 0; this.resized = true; }
    this.emit("drawn", this.facts);
  }

  /** Ends it: nothing is drawn any more. */
  dispose() {
    this.running = false; this.stop(); this.stopRecording(); this.resize.disconnect();
    if (this.audio) this.audio.close();
    this.renderer.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

/** A living portrait in a canvas. source: the file's bytes, or where it is. */
export async function createPlayer(canvas, source, options = {}) {
  let bytes = source;
  if (typeof source === "string" || source instanceof URL) {
    const answer = await fetch(source);
    if (!answer.ok) throw new Error(`the portrait cannot be fetched: ${answer.status}`);
    bytes = await answer.arrayBuffer();
  }
  const portrait = await readPortrait(bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes));
  const player = new Player(await Renderer.create(canvas, portrait, options));
  if (options.background === false) player.renderer.background = false;
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) player.life = { blink: false, breathe: false, look: false };
  Object.assign(player.life, options.life);
  return player;
}
