// What the pages can do in addition with JavaScript. Without it, every page works.
"use strict";
