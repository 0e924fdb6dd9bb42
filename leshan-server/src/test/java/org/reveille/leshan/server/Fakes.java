package org.reveille.leshan.server;

import java.lang.reflect.Proxy;

/** Creates fakes of the objects that a web server passes in. */
final class Fakes {
    /** Returns the result of a method by its name. */
    @FunctionalInterface
    interface Answers {
        Object to(String method) throws Throwable;
    }

    private Fakes() {
    }

    static <T> T answering(Class<T> type, Answers answers) {
        return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type},
                (proxy, method, arguments) -> answers.to(method.getName())));
    }
}
