package org.reveille.leshan.server;

import java.lang.reflect.Proxy;

/** What a web server would hand in. */
final class Fakes {
    /** What a method answers, by its name. */
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
